"""Which conclusions of several runs agree: those of one machine on another day, or of other machines.

A conclusion is what a figure's interval decides: attention is ahead of a recurrent model on a shape,
or behind it, or neither. Machines differ in their number of CPUs, so that a case on more than one
thread is compared as that on all of them.
"""

import textwrap

import pandas as pd

from plotting.claims import machine_line
from plotting.derived import champion_crossings, champion_speedups, thread_gains, timed
from plotting.naming import champions, model_name

# What two runs have to share for a figure of one to be a figure of the other.
CASE = ["pass", "baseline_model", "batch", "width", "heads", "causal", "on"]


def agreement_text(runs, width=100):
    """Sentences about all runs together, for the end of claims-details.txt; "" for one run."""
    if len(runs) < 2:
        return ""
    lines = ["What the runs agree on", ""]
    lines += [f"  {run.name}: {machine_line(run)}" for run in runs]
    for title, sentences in (("Attention ahead or behind", leads_told(runs)),
                             ("Length at which attention's lead is lost", crossings_told(runs)),
                             ("Gain from all threads, median over lengths", gains_told(runs))):
        lines += ["", f"  {title}"]
        for sentence in sentences or ["no case that all runs have measured"]:
            lines += textwrap.wrap(sentence, width, initial_indent=" " * 5, subsequent_indent=" " * 9)
    return "\n".join([*lines, ""])


def on_threads(rows):
    """The rows with `on`: one thread, or all of them, which are the most that the run has."""
    most = rows["threads"].max()
    rows = rows[(rows["threads"] == 1) | (rows["threads"] == most)]
    return rows.assign(on=rows["threads"].map(lambda count: "1 thread" if count == 1 else "all threads"))


def side_by_side(tables, keys):
    """[(values of keys, [row of each run])] of what every run has."""
    found = []
    for table in tables:
        filled = table.assign(heads=table["heads"].fillna(0)) if "heads" in keys else table
        found.append({key: row for key, row in zip(filled[keys].itertuples(index=False, name=None),
                                                   filled.to_dict("records"))})
    shared = [key for key in found[0] if all(key in table for table in found[1:])]
    return [(key, [table[key] for table in found]) for key in shared]


def verdict(row):
    """What the interval of a speedup decides."""
    if row["speedup_low"] > 1:
        return "ahead"
    return "behind" if row["speedup_high"] < 1 else "undecided"


def leads(runs):
    """[(text of the case, [verdict of each run])] of the cases that all runs have."""
    tables = [on_threads(champion_speedups(run)) for run in runs]
    if any(table.empty for table in tables):
        return []
    return [(case_text(key[:-1]) + f", length {key[-1]:g}", [verdict(row) for row in rows])
            for key, rows in side_by_side(tables, [*CASE, "seq_len"])]


def leads_told(runs):
    cases = leads(runs)
    if not cases:
        return []
    decided = [(text, said) for text, said in cases if "undecided" not in said]
    against = [(text, said) for text, said in decided if len(set(said)) > 1]
    told = [f"{len(cases)} cases that all runs have: in {len(decided)} all decide, and"
            f" {len(decided) - len(against)} of these the same way"]
    return told + [f"{text}: {', '.join(said)}" for text, said in against]


def case_text(key):
    which, model, batch, width, heads, causal, on = key
    kind = "causal attention" if causal == "true" else "attention"
    return (f"{which}, {kind} of {heads:g} heads ÷ {model_name(model)}, batch {batch:g},"
            f" width {width:g}, {on}")


def crossing(row):
    """Where the lead is lost: (text, low, high)."""
    if row["status"] == "always_ahead":
        return "not lost", float("inf"), float("inf")
    if row["status"] == "never_ahead":
        return "never had", 0.0, 0.0
    at = row["crossover_seq_len"]
    low = at if pd.isna(row["crossover_low"]) else row["crossover_low"]
    high = at if pd.isna(row["crossover_high"]) else row["crossover_high"]
    text = f"{at:.0f}" if low == high == at else f"{at:.0f} ({low:.0f} to {high:.0f})"
    return text, low, high


def crossings_told(runs):
    tables = []
    for run in runs:
        rows = champion_crossings(run)
        if rows.empty:
            return []
        tables.append(on_threads(rows))
    cells = [(case_text(key), [crossing(row) for row in rows])
             for key, rows in side_by_side(tables, CASE)]
    if not cells:
        return []
    same = [cell for cell in cells if overlap([(low, high) for _, low, high in cell[1]])]
    told = [f"in {len(same)} of {len(cells)} cases within the intervals of all runs"]
    return told + [f"{text}: {', '.join(said for said, *_ in each)}" for text, each in cells
                   if (text, each) not in same]


def overlap(intervals):
    """Whether one length lies in all of them."""
    return max(low for low, _ in intervals) <= min(high for _, high in intervals)


def gains_told(runs):
    """Who gains more from threads: attention, or the recurrent model."""
    keys = ["pass", "model", "batch", "width"]
    medians = []
    for run in runs:
        rows = thread_gains(champions(timed(run.table("throughput"))))
        rows = rows[rows["threads"] == rows["threads"].max()] if not rows.empty else rows
        if rows.empty or rows["threads"].max() == 1:
            return []
        medians.append(rows.groupby(keys)["gain"].median())
    told = []
    for key in medians[0].index:
        attention = (key[0], "attention", *key[2:])
        if key[1] == "attention" or not all({key, attention} <= set(each.index) for each in medians):
            continue
        parts = [f"×{each[attention]:.2f} and ×{each[key]:.2f}" for each in medians]
        who = {each[attention] > each[key] for each in medians}
        verdict_of_all = "attention gains more in all" if who == {True} else (
            "the recurrent model gains more in all" if who == {False} else "the runs differ")
        told.append(f"{key[0]}, attention and {model_name(key[1])}, batch {key[2]:g}, width"
                    f" {key[3]:g}: {'; '.join(parts)}: {verdict_of_all}")
    return told
