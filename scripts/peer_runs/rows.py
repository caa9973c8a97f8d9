"""The rows of throughput.csv, samples.csv and peers.csv from the outcomes of one case."""

from statistics import median

from peer_runs.statistics import LEAST_FOR_INTERVAL, median_interval, outliers, paired_ratio

THROUGHPUT = ("run_id case_id model kernel pass batch seq_len width heads threads causal dtype "
              "parameters flops state_bytes repetitions seconds seconds_low seconds_high "
              "tokens_per_second gflops peak_gflops fraction_of_peak limit_seconds "
              "fraction_of_limit peak_bytes status reason form outliers "
              "predicted_bytes").split()
OF_SAMPLE = "seconds peak_gflops steal_fraction wait_fraction involuntary_switches throttled".split()
SAMPLES = ["run_id", "case_id", "repetition", *OF_SAMPLE]
PEERS = ("run_id case_id model pass batch seq_len width heads threads causal peer peer_version "
         "ratio ratio_low ratio_high rounds peer_variant").split()

# A case is noisy when its fraction of peak is known no better than this to either side, as in
# harness/timing/sweep.cc.
NOISY_HALF_WIDTH = 0.10


def throughput_row(outcome, cells, limit_seconds, run_id, cpu_count):
    """The row of one library. `cells` are seqbench's of the same case; the limit is the machine's
    and so the same for all of them."""
    # A peer tells its variant, and predicts nothing.
    own = ({} if outcome.case.kernel == cells["kernel"]
           else {"form": None, "predicted_bytes": None})
    row = {**cells, **own, "kernel": outcome.case.kernel, "run_id": run_id, "case_id": outcome.case.id,
           "repetitions": len(outcome.samples), "status": outcome.status, "reason": outcome.reason}
    if not outcome.samples:
        return row
    flops = float(cells["flops"])
    seconds = median_interval([sample.seconds for sample in outcome.samples])
    fractions = [1e-9 * flops / sample.seconds / sample.peak_gflops for sample in outcome.samples]
    fraction = median_interval(fractions)
    status, reasons = verdict(fraction, len(outcome.samples), outcome.case.threads, cpu_count)
    return row | {
        "seconds": seconds.median, "seconds_low": seconds.low, "seconds_high": seconds.high,
        "tokens_per_second": outcome.case.tokens / seconds.median,
        "gflops": 1e-9 * flops / seconds.median,
        "peak_gflops": median(sample.peak_gflops for sample in outcome.samples),
        "fraction_of_peak": fraction.median,
        "limit_seconds": limit_seconds,
        "fraction_of_limit": limit_seconds and limit_seconds / seconds.median,
        "peak_bytes": outcome.prepared["peak_bytes"],
        "status": status, "reason": "; ".join(reasons),
        "outliers": " ".join(map(str, outliers(fractions))),
    }


def verdict(fraction, rounds, threads, cpu_count):
    """Status and reasons of a measured row."""
    reasons = [f"{threads} threads on {cpu_count} CPUs"] if threads > cpu_count else []
    if rounds < LEAST_FOR_INTERVAL:
        reasons.append(f"no 95 % interval from fewer than {LEAST_FOR_INTERVAL} repetitions, low and "
                       "high are their range; raise --rounds")
        return "noisy", reasons
    if fraction.relative_half_width > NOISY_HALF_WIDTH:
        reasons.append(f"fraction of peak known to ±{100 * fraction.relative_half_width:.0f} % "
                       "only; quieten the machine or raise --rounds")
        return "noisy", reasons
    return "ok", reasons


def throughput_rows(outcomes, run_id, cpu_count):
    seqbench = outcomes["seqbench"]
    cells = seqbench.prepared["cells"]
    limits = [sample.limit_seconds for sample in seqbench.samples]
    limit = median(limits) if limits else None
    return [throughput_row(outcome, cells, limit, run_id, cpu_count)
            for outcome in outcomes.values()]


def sample_rows(outcomes, run_id):
    return [{"run_id": run_id, "case_id": outcome.case.id, "repetition": repetition,
             **{name: getattr(sample, name) for name in OF_SAMPLE}}
            for outcome in outcomes.values()
            for repetition, sample in enumerate(outcome.samples)]


def peer_rows(outcomes, run_id):
    """One row for each peer that was measured beside seqbench."""
    seqbench = outcomes["seqbench"]
    cells = seqbench.prepared.get("cells", {})
    rows = []
    for name, outcome in outcomes.items():
        if outcome is seqbench or not (outcome.samples and seqbench.samples):
            continue
        ratio = paired_ratio([sample.seconds for sample in outcome.samples],
                             [sample.seconds for sample in seqbench.samples])
        rows.append({column: cells[column] for column in PEERS if column in cells} |
                    {"run_id": run_id, "case_id": outcome.case.id, "peer": name,
                     "peer_version": outcome.prepared["version"], "ratio": ratio.median,
                     "ratio_low": ratio.low, "ratio_high": ratio.high,
                     "rounds": len(outcome.samples),
                     "peer_variant": outcome.prepared["variant"]})
    return rows
