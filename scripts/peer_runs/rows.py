"""The rows of throughput.csv, samples.csv and peers.csv from the outcomes of one case."""

from peer_runs.statistics import paired_ratio

THROUGHPUT = ("run_id case_id model kernel pass batch seq_len width heads threads causal dtype "
              "parameters flops state_bytes repetitions seconds seconds_low seconds_high "
              "tokens_per_second gflops peak_gflops fraction_of_peak limit_seconds "
              "fraction_of_limit peak_bytes status reason form outliers "
              "predicted_bytes processes variant sweeps fallback_share "
              "block layers match match_width ranks strategy comm_seconds bytes_sent").split()
OF_SAMPLE = "seconds peak_gflops steal_fraction wait_fraction involuntary_switches throttled".split()
SAMPLES = ["run_id", "case_id", "repetition", *OF_SAMPLE, "process", "retaken"]
PEERS = ("run_id case_id model pass batch seq_len width heads threads causal peer peer_version "
         "ratio ratio_low ratio_high rounds peer_variant dtype").split()


def throughput_row(outcome, cells, run_id):
    """The row of one library. `cells` are seqbench's of the same case."""
    # A peer tells its variant, and predicts nothing.
    own = ({} if outcome.case.kernel == cells["kernel"]
           else {"form": None, "predicted_bytes": None})
    row = {**cells, **own, "kernel": outcome.case.kernel, "run_id": run_id,
           "case_id": outcome.case.id}
    if not outcome.samples:
        return row | {"repetitions": 0, "processes": 0, "status": outcome.status, "reason": outcome.reason}
    return row | {"peak_bytes": outcome.prepared["peak_bytes"]} | outcome.judged


def throughput_rows(outcomes, run_id):
    cells = outcomes["seqbench"].prepared["cells"]
    return [throughput_row(outcome, cells, run_id) for outcome in outcomes.values()]


def sample_rows(outcomes, run_id):
    return [{"run_id": run_id, "case_id": outcome.case.id, "repetition": repetition,
             **{name: getattr(sample, name) for name in OF_SAMPLE}, "process": 0, "retaken": 0}
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
