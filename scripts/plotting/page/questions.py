"""Ten questions a newcomer has, each with the run's answer and the place on the page that shows it.

An answer is a sentence of figures from the CSV files, or says that the run has none and what measures
them.
"""

import math
from dataclasses import dataclass

from plotting import attention
from plotting.derived import (
    DTYPES,
    bare_layers,
    champion_crossings,
    champion_speedups,
    not_ok,
    outcomes,
    over_seeds,
    thread_gains,
    timed,
)
from plotting.naming import MODELS, champions, model_name, percent, plural, rank
from plotting.page.learning_charts import tested

NOT_MEASURED = "This run did not measure it"
AT_LENGTH, AT_DISTANCE = 512, 100


@dataclass(frozen=True)
class Question:
    """`text`, where it is answered (an id of the page), and the answer of one run."""

    text: str
    place: str
    answer: callable


def in_model_order(names):
    return sorted(names, key=lambda name: (rank(MODELS, name), name))


def of_training(rows):
    """The rows of training at the smallest batch, at the width of most of them."""
    rows = rows[rows["pass"] == "train"]
    rows = rows[rows["batch"] == rows["batch"].min()]
    widths = rows["width"].value_counts()
    return rows[rows["width"] == widths.index[0]] if len(widths) else rows


def which_is_faster(run):
    rows = of_training(champions(timed(run.table("throughput"))))
    rows = rows[rows["threads"] == 1]
    if rows.empty:
        return NOT_MEASURED
    length = nearest(rows["seq_len"], AT_LENGTH)
    rows = rows[rows["seq_len"] == length]
    rows = rows.sort_values("tokens_per_second", ascending=False).drop_duplicates("model")
    order = ", ".join(f"{model_name(row.model)} {row.tokens_per_second:,.0f}" for row in rows.itertuples())
    return f"Training at {length:g} tokens, one thread, tokens a second: {order}."


def nearest(values, wanted):
    return min(values.dropna().unique(), key=lambda value: abs(math.log(max(value, 1) / wanted)))


def where_it_is_lost(run):
    rows = champion_crossings(run)
    rows = rows[(rows["pass"] == "train") & (rows["threads"] == 1) & (rows["baseline_model"] == "lstm")]
    words = {"always_ahead": "beyond all lengths measured", "never_ahead": "at every length"}
    parts = []
    for row in rows.drop_duplicates("batch").sort_values("batch").itertuples():
        where = words.get(row.status)
        if row.status == "ok" and row.crossover_seq_len == row.crossover_seq_len:
            where = f"from {row.crossover_seq_len:.0f} tokens on"
            if row.crossover_low == row.crossover_low and row.crossover_high == row.crossover_high:
                where += f" ({row.crossover_low:.0f} to {row.crossover_high:.0f})"
        if where:
            parts.append(f"{where} at batch {row.batch:g}")
    return f"In training on one thread, {'; '.join(parts)}." if parts else NOT_MEASURED


def second_core(run):
    rows = of_training(champions(thread_gains(run.table("throughput"))))
    rows = rows[rows["threads"] > 1]
    if rows.empty:
        return NOT_MEASURED
    threads = nearest(rows["threads"], 2)
    gains = rows[rows["threads"] == threads].groupby("model")["gain"].median()
    each = ", ".join(f"{model_name(model)} ×{gains[model]:.2f}" for model in in_model_order(gains.index))
    return f"Training of one sequence on {threads:g} threads, median over lengths: {each}."


def remembers(run):
    rows = tested([run])
    if rows.empty:
        return NOT_MEASURED
    rows = rows[(rows["task"] == "first_token") & (rows["model"] == "gru") & (rows["regime"] == "single")]
    rows = rows[(rows["distance"] == rows["train_distance"]) & (rows["block"] != "model")]
    if rows.empty:
        return NOT_MEASURED
    table = outcomes(rows, ["variant", "distance"])
    plain = table[table["variant"].str.startswith("default")]
    table = plain if len(plain) else table
    around = []
    for side in (table[table["distance"] <= AT_DISTANCE], table[table["distance"] > AT_DISTANCE]):
        if len(side):
            near = nearest(side["distance"], AT_DISTANCE)
            row = side[side["distance"] == near].iloc[0]
            around.append(f"over {near:g} tokens {row['solved']:.0f} of {row['seeds']:.0f} seeds do")
    farthest = table["distance"].max()
    told = "" if farthest >= AT_DISTANCE else f"; this run tests {farthest:g} at most"
    return f"Of the first token, from its default start: {', '.join(around)}{told}."


def looks_at(run):
    rows = attention.shown_readings([run])
    rows = rows[rows["query_token"].str.lower() == "it"] if len(rows) else rows
    if rows.empty:
        return NOT_MEASURED
    parts = []
    deepest = rows[rows["layers"] == rows["layers"].max()]
    for sentence, group in deepest[deepest["layer"] == deepest["layers"]].groupby("sentence", sort=False):
        table = over_seeds(group, ["key_index", "key_token"], "weight")
        most = table.sort_values("median").iloc[-1]
        parts.append(f"in “{sentence}” at “{most['key_token']}” ({percent(most['median'])})")
    return f"Most {'; '.join(parts)}."


def fewer_flops(run):
    rows = champion_speedups(run)
    parts = ["work_ratio", "efficiency_ratio", "parallel_ratio"]
    if rows.empty or not set(parts) <= set(rows):
        return NOT_MEASURED
    rows = of_training(rows)
    rows = rows[(rows["threads"] == 1) & rows[parts].notna().all(axis=1)]
    if rows.empty:
        return NOT_MEASURED
    model = in_model_order(rows["baseline_model"].unique())[0]
    rows = rows[rows["baseline_model"] == model].sort_values("seq_len").iloc[[0, -1]]
    each = "; ".join(
        f"at {row['seq_len']:g} tokens ×{row['speedup']:.2f} = {row['work_ratio']:.2f} (work) ×"
        f" {row['efficiency_ratio']:.2f} (rate)"
        for _, row in rows.drop_duplicates("seq_len").iterrows()
    )
    return f"In part. Attention ÷ {model_name(model)} in training, one thread: {each}."


def bfloat16(run):
    rows = run.every_precision()
    rows = rows[rows["status"].isin(["ok", "noisy"]) & rows["seconds"].gt(0)]
    case = ["model", "kernel", "pass", "batch", "seq_len", "width", "threads", "variant"]
    full, half = (bare_layers(rows, dtype) for dtype in DTYPES)
    pairs = half.merge(full, on=case, suffixes=("", "_full"))
    if pairs.empty:
        return (f"{NOT_MEASURED}; seqbench throughput --dtype float32,bfloat16 does. Every figure here is"
                " of float32.")  # fmt: skip
    gains = (pairs["seconds_full"] / pairs["seconds"]).groupby(pairs["model"]).median()
    each = ", ".join(f"{model_name(model)} ×{gains[model]:.2f}" for model in in_model_order(gains.index))
    return f"Seconds in float32 ÷ in bfloat16, median over {plural(len(pairs), 'case')}: {each}."


def how_sure(run):
    rows = bare_layers(run.table("throughput"))
    rows = rows[rows["seconds"].gt(0)]
    parts = []
    if len(rows):
        half = ((rows["seconds_high"] - rows["seconds_low"]) / 2 / rows["seconds"]).dropna()
        parts.append(
            f"seconds of {plural(len(rows), 'case')} are known to ± {percent(half.median(), 1)} in the"
            f" median and ± {percent(half.max(), 1)} at most (95 %)"
            if len(half) else f"{plural(len(rows), 'case')} without an interval"
        )  # fmt: skip
    seeds = tested([run])
    if len(seeds):
        each = seeds.groupby(["task", "model", "variant", "train_distance"])["seed"].nunique()
        parts.append(f"trainings have {each.min():g} to {each.max():g} seeds each")
    bad = len(not_ok(run))
    parts.append(f"{plural(bad, 'row')} of all {'is' if bad == 1 else 'are'} not ok" if bad
                 else "no row is noisy, skipped or failed")  # fmt: skip
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def what_machine(run):
    machine = run.machine
    if not machine:
        return "Unknown: there is no machine.json."
    build = machine.get("build") if isinstance(machine.get("build"), dict) else {}
    cpus = machine.get("cpus_usable")
    told = [str(machine.get("cpu", "unknown CPU")), plural(len(cpus), "CPU") if isinstance(cpus, list) else "",
            str(machine.get("os", "")), str(build.get("compiler", "")),
            f"commit {build['git_commit']}" if build.get("git_commit") else ""]  # fmt: skip
    return ", ".join(part for part in told if part) + "."


def how_to_rerun(run):
    return ("The command that measures a chart again stands below it, with the values chosen there;"
            " ./scripts/reproduce measures the quick run anew.")  # fmt: skip


QUESTIONS = (
    Question("Which is faster at 512 tokens?", "chart-throughput", which_is_faster),
    Question("From which length on is the LSTM faster?", "chart-speedup", where_it_is_lost),
    Question("Does my second core help?", "chart-gain", second_core),
    Question("Does the GRU remember 100 words?", "chart-kept", remembers),
    Question("What does “it” look at?", "chart-word", looks_at),
    Question("Is it due to fewer FLOPs?", "chart-parts", fewer_flops),
    Question("What with bfloat16?", "chart-throughput", bfloat16),
    Question("How sure are you?", "gaps", how_sure),
    Question("What machine?", "machine", what_machine),
    Question("How do I rerun this one?", "chart-speedup", how_to_rerun),
)
