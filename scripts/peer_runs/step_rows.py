"""The rows of steps.csv from the outcomes of one training step, and their table."""

from peer_runs.statistics import paired_ratio

STEPS = ("run_id case_id task model variant batch seq_len width layers heads threads parameters "
         "contender contender_version contender_variant rounds seconds seconds_low seconds_high "
         "steps_per_second peak_gflops ratio ratio_low ratio_high loss_difference status "
         "reason tokens_per_second process_bytes loss_rounding").split()

HEADER = (f"{'step':<40} {'library':<14} {'variant':<17} {'ms':>8} {'tokens/s':>9} {'MiB':>6}"
          f" {'ratio [low, high]':>20} {'rounds':>6}")


def step_rows(outcomes, run_id):
    """One row for each library, seqbench's first. A ratio is of seconds, seqbench's below."""
    seqbench = outcomes["seqbench"]
    return [step_row(name, outcome, seqbench, run_id) for name, outcome in outcomes.items()]


def step_row(name, outcome, seqbench, run_id):
    row = {**seqbench.prepared["cells"], "run_id": run_id, "case_id": outcome.case.id,
           "contender": name, "contender_version": outcome.prepared.get("version", ""),
           "contender_variant": outcome.prepared.get("variant", ""),
           "loss_difference": outcome.prepared.get("loss_difference"),
           "loss_rounding": outcome.prepared.get("loss_rounding")}
    if not outcome.samples:
        return row | {"rounds": 0, "status": outcome.status, "reason": outcome.reason}
    row |= outcome.judged
    row |= {"tokens_per_second": outcome.case.batch * outcome.case.steps / float(row["seconds"]),
            "process_bytes": outcome.process_bytes}
    if outcome is not seqbench:
        ratio = paired_ratio([sample.seconds for sample in outcome.samples],
                             [sample.seconds for sample in seqbench.samples])
        row |= {"ratio": ratio.median, "ratio_low": ratio.low, "ratio_high": ratio.high}
    return row


def lines_of(rows):
    """The lines of one step."""
    for place, row in enumerate(rows):
        name = row["case_id"] if place == 0 else ""
        yield (f"{name:<40} {row['contender']:<14} {row['contender_variant']:<17} "
               f"{figures(row)}").rstrip()


def figures(row):
    if "seconds" not in row:
        return f"{row['status']}: {row['reason']}"
    size = row["process_bytes"]
    text = (f"{1e3 * float(row['seconds']):>8.4g} {row['tokens_per_second']:>9.0f} "
            f"{'' if size is None else round(size / 2**20):>6}")
    if "ratio" in row:
        spread = f"{row['ratio']:.2f} [{row['ratio_low']:.2f}, {row['ratio_high']:.2f}]"
        text += f" {spread:>20}"
    else:
        text += f" {'':>20}"
    return text + f" {row['rounds']:>6}" + ("" if row["status"] == "ok" else f"  {row['status']}")
