"""Folders that hold shares of one sweep (--shard I/N) as one run."""

import math
import re
from dataclasses import replace

import pandas as pd

from plotting.reading import RunError

# Commands whose groups of cases are shared out, and options that lead to the same rows.
COMMANDS = ("throughput", "scaling")
WITHOUT_EFFECT = {"shard", "out", "resume", "no-progress", "config"}
# What a share has in common with the others beside its options; hosts may differ.
OF_THE_MACHINE = ("architecture", "cpu", "simd")
OF_THE_BUILD = ("version", "git_commit", "compiler", "flags", "type")
# A curve of crossover.csv.
CURVE = ["pass", "kernel", "baseline_model", "baseline_kernel", "batch", "width", "heads", "causal",
         "threads", "block", "layers", "match", "dtype"]  # fmt: skip


def joined(runs):
    """The runs; where any of them is a share of a sweep, one run of all shares. Throws RunError
    unless all are shares of the same sweep, each there once."""
    shares = {run.folder: share_of(run) for run in runs}
    if len(runs) == 1 or not any(shares.values()):
        return runs
    first = next(run for run in runs if shares[run.folder])
    wanted = identity(first)
    taken = {}
    for run in runs:
        if not shares[run.folder]:
            raise RunError(f"{run.folder}: is no share of a sweep, as {first.folder} is")
        for name, value in identity(run).items():
            if value != wanted.get(name):
                raise RunError(f"{run.folder}: is a share of another sweep than {first.folder}:"
                               f" {name} is {value!r}, there {wanted.get(name)!r}")  # fmt: skip
        index = shares[run.folder][0]
        if index in taken:
            raise RunError(f"{run.folder}: is share {index} of the sweep, as {taken[index]} is")
        taken[index] = run.folder
    return [whole(runs, shares)]


def record_of(run):
    """The record of the last sweep of a run; empty where it has none."""
    records = run.machine.get("commands")
    records = [one for one in records if isinstance(one, dict)] if isinstance(records, list) else []
    sweeps = [one for one in records if one.get("command") in COMMANDS]
    return sweeps[-1] if sweeps and isinstance(sweeps[-1].get("options"), dict) else {}


def share_of(run):
    """(I, N) of the run's --shard; None where it is no share."""
    text = record_of(run).get("options", {}).get("shard", "")
    numbers = re.fullmatch(r"([0-9]+)/([0-9]+)", str(text))
    index, count = map(int, numbers.groups()) if numbers else (1, 1)
    return (index, count) if count > 1 else None


def identity(run):
    """What all shares of a sweep have in common, by name."""
    record, build = record_of(run), run.machine.get("build", {})
    options = record.get("options", {})
    return {
        "command": record.get("command"),
        **{f"--{name}": value for name, value in options.items() if name not in WITHOUT_EFFECT},
        "N of --shard": share_of(run)[1],
        "what follows --": record.get("passed_on", ""),
        **{name: run.machine.get(name) for name in OF_THE_MACHINE},
        "the number of CPUs": len(run.machine.get("cpus_usable") or []),
        **{f"build.{name}": build.get(name) for name in OF_THE_BUILD},
    }


def whole(runs, shares):
    """One run of all shares, with the crossovers that need all of them."""
    runs = sorted(runs, key=lambda run: shares[run.folder])
    first, count = runs[0], shares[runs[0].folder][1]
    names = dict.fromkeys(name for run in runs for name in run.tables)
    tables = {
        name: pd.concat([run.tables[name] for run in runs if name in run.tables], ignore_index=True)
        for name in names
    }
    missing = {name: why for name, why in first.missing.items()
               if name.removesuffix(".csv") not in tables}  # fmt: skip
    if "crossover" not in tables and "speedup" in tables:
        tables["crossover"] = crossings(tables["speedup"])
        missing.pop("crossover.csv", None)
    absent = sorted(set(range(1, count + 1)) - {shares[run.folder][0] for run in runs})
    for index in absent:
        missing[f"share {index}/{count}"] = "not among the folders"
    hosts = dict.fromkeys(str(run.machine.get("host", "")) for run in runs)
    return replace(
        first,
        folder=first.folder.parent / "merged",
        name=f"{len(runs)} of {count} shares ({', '.join(run.name for run in runs)})",
        tables=tables,
        missing=missing,
        machine={**first.machine, "host": ", ".join(hosts)},
    )


def crossings(speedups):
    """The rows of crossover.csv of a whole sweep, as `seqbench scaling` finds them
    (harness/timing/scaling_analysis.cc, find_crossovers)."""
    rows = []
    measured = speedups[speedups["speedup"].notna()]
    for key, curve in measured.groupby(CURVE, dropna=False, sort=True):
        curve = curve.sort_values("seq_len")
        lengths = curve["seq_len"].tolist()
        fall, low, high = (last_fall(lengths, curve[name].tolist())
                           for name in ("speedup", "speedup_low", "speedup_high"))  # fmt: skip
        row = dict(zip(CURVE, key)) | {
            "status": "always_ahead" if curve["speedup"].iloc[-1] >= 1 else "never_ahead"
        }
        if fall is not None:
            row |= {
                "status": "ok",
                "crossover_seq_len": fall,
                "crossover_low": min(fall, lengths[0] if low is None else low),
                "crossover_high": max(fall, lengths[-1] if high is None else high),
            }
        rows.append(row | {"predicted": length_of_equal_work(lengths, curve["work_ratio"].tolist())})
    found = ["crossover_seq_len", "status", "crossover_low", "crossover_high", "predicted"]
    return pd.DataFrame(rows, columns=CURVE + found)


def last_fall(lengths, ratios):
    """The length at which the ratio falls through 1 last, on logarithms; None where it does not."""
    found = None
    for i in range(1, len(ratios)):
        before, after = ratios[i - 1], ratios[i]
        if before >= 1 > after:
            position = math.log(before) / math.log(before / after)
            found = lengths[i - 1] * (lengths[i] / lengths[i - 1]) ** position
    return found


def length_of_equal_work(lengths, work_ratios):
    """The length at which both do the same FLOPs; not a number where there is none."""
    if len(lengths) < 2:
        return math.nan
    slope = (1 / work_ratios[-1] - 1 / work_ratios[0]) / (lengths[-1] - lengths[0])
    length = lengths[0] + (1 - 1 / work_ratios[0]) / slope if slope else math.nan
    return length if length > 0 else math.nan
