"""Charts of the race: gain from threads, speedup and its parts, crossings, tokens per second, other
libraries. Runs in, Chart out; None where the runs hold nothing to draw."""

import math

import altair as alt
import pandas as pd

from plotting import projection
from plotting.derived import DTYPES, champion_crossings, speedups, thread_gains, timed
from plotting.layout import gather
from plotting.naming import FASTEST_KERNELS, MODELS, champions, model_name, plural, rank
from plotting.page import commands
from plotting.page.chart import (
    PRECISION,
    Chart,
    Choice,
    as_spec,
    choices_of,
    doubling_axis,
    in_order,
    legend,
    lines_by_model,
    model_scale,
    ratio_axis,
    rows_of,
    tooltips,
)
from plotting.settings import MAIN_WIDTH

FASTEST = "fastest of each"

PASS = Choice("pass", "pass", ("train",))
BATCH = Choice("batch", "batch", (1,))
WIDTH = Choice("width", "width", (MAIN_WIDTH,))
FORM = Choice("form_of_attention", "attention:")
RUNG = Choice("rung", "recurrent kernel:", (FASTEST, *FASTEST_KERNELS))
OWN_RUNG = Choice("own_rung", "attention's kernel:", FASTEST_KERNELS)
SCOPE = Choice("scope", "of", ("bare layers",))
ONE_THREAD = Choice("threads", "threads", (1,))


def with_forms(rows):
    """The rows with `form_of_attention`, what differs between attention's settings; none of rows
    without heads, which stand beside every one."""
    words = {"true": ", causal", "false": ", full"}
    forms = [
        plural(heads, "head") + words.get(causal, "") if heads == heads and heads is not None else None
        for heads, causal in zip(rows["heads"], rows["causal"])
    ]
    return rows.assign(form_of_attention=pd.Series(forms, index=rows.index, dtype=object))


def with_rungs(rows, model="model", kernel="kernel"):
    """The rows of recurrent kernels, once a rung of the ladder and, of each model's fastest kernel,
    once more as FASTEST where there are several rungs."""
    fastest = rows.loc[champions(rows.assign(model=rows[model], kernel=rows[kernel])).index]
    if rows.groupby(model)[kernel].nunique().max() < 2:
        return rows.assign(rung=FASTEST)
    return pd.concat([fastest.assign(rung=FASTEST), rows.assign(rung=rows[kernel])], ignore_index=True)


def with_ladders(rows):
    """The rows of the race with `rung` of recurrent kernels and `own_rung` of attention's: a choice
    of one leaves the other side as it is."""
    own = rows[rows["model"] == "attention"]
    others = rows[rows["model"] != "attention"]
    parts = [own.assign(own_rung=own["kernel"], rung=None)] if len(own) else []
    parts += [with_rungs(others).assign(own_rung=None)] if len(others) else []
    return pd.concat(parts, ignore_index=True) if parts else rows


def usable(rows, *columns):
    """The rows whose numbers in these columns are there and above zero, as logarithms need."""
    good = pd.Series(True, index=rows.index)
    for column in columns:
        values = pd.to_numeric(rows[column], errors="coerce")
        good &= values.gt(0) & values.lt(math.inf)
    return rows[good]


def gains(runs):
    """What a model gains from threads, against length: the chart of the first claim."""
    rows = gather(runs, lambda run: thread_gains(run.table("throughput")))
    rows = usable(rows, "gain", "gain_low", "gain_high", "seq_len", "batch", "width")
    rows = rows[rows["threads"] > 1]
    if rows.empty:
        return None
    rows = with_ladders(with_forms(rows)).assign(name=lambda rows: rows["model"].map(model_name))
    threads = Choice("threads", "threads", (int(rows["threads"].max()),))
    choices, held = choices_of(rows, PASS, BATCH, WIDTH, threads, FORM, RUNG, OWN_RUNG)
    rows = in_order(rows, choices, "seq_len")
    columns = {"name": "model", "kernel": "kernel", "seq_len": "length", "threads": "threads",
               "gain": "gain", "gain_low": "from", "gain_high": "to", "status": "status"}  # fmt: skip
    chart = lines_by_model(
        rows,
        doubling_axis("seq_len", rows["seq_len"], "sequence length (tokens)"),
        ratio_axis("gain", "seconds on 1 thread ÷ on several", rows["gain_low"].min(),
                   rows["gain_high"].max()),
        columns,
        interval=("gain_low", "gain_high"),
        reference=1,
    )  # fmt: skip
    return Chart(
        "gain",
        "Gain from threads, against length",
        "Above the dashed line, more threads make a model faster. Were recurrent networks bound to one"
        " step after the other, their lines would lie on it, and attention's at the number of threads."
        " Bars are the widest range that the two times' intervals allow; hollow points are noisy.",
        rows,
        columns,
        choices,
        as_spec(chart, 280),
        commands.race("gain", rows),
        held,
    )


def processors(runs):
    """The speed-up on more processors that follows from each kernel's tasks, beside what was
    measured."""
    rows = projection.speedups(runs)
    if rows.empty:
        return None
    rows = usable(champions(rows), "gain", "gain_low", "gain_high", "seq_len", "batch", "width")
    if rows.empty:
        return None
    rows = with_forms(rows).assign(name=rows["model"].map(model_name))
    length = Choice("seq_len", "length")
    choices, held = choices_of(rows, PASS, BATCH, length, WIDTH, FORM)
    rows = in_order(rows, choices, "processors")
    columns = {"name": "model", "processors": "processors", "gain": "projected", "gain_low": "from",
               "gain_high": "to", "measured_gain": "measured", "assumption": "if"}  # fmt: skip
    scale = model_scale(rows["model"])
    x = doubling_axis("processors", rows["processors"], "processors")
    y = ratio_axis("gain", "speed-up over one", rows["gain_low"].min(), rows["processors"].max())
    base = rows_of().encode(x=x, color=alt.Color(
        "name:N", scale=alt.Scale(domain=scale["names"], range=scale["colours"]), legend=legend()))  # fmt: skip
    chart = alt.layer(
        rows_of().mark_line(strokeDash=[2, 3], color="var(--muted)", clip=True).encode(
            x=x, y="processors:Q"),
        base.mark_area(opacity=0.15, clip=True).encode(y="gain_low:Q", y2="gain_high:Q"),
        base.mark_line(strokeWidth=2, strokeDash=[6, 4], clip=True).encode(y=y),
        base.mark_point(size=60, strokeWidth=2).encode(y=y, tooltip=tooltips(columns)),
        base.transform_filter("isValid(datum.measured_gain)").mark_point(size=90, filled=True).encode(
            y="measured_gain:Q", tooltip=tooltips(columns)),
    )  # fmt: skip
    return Chart(
        "processors",
        "Speed-up projected for more processors than there are",
        "From the tasks of one pass, timed on one thread: hollow points and dashed lines, in the band that"
        " no scheduling leaves. Full points were measured. The dotted line is P processors, P times as"
        " fast.",
        rows,
        columns,
        choices,
        as_spec(chart, 300),
        commands.html("processors", "span", commands.of_columns(rows, **{
            "model": "model", "pass": "pass", "batch": "batch", "length": "seq_len", "width": "width",
            "processors": "processors"})),
        held,
    )  # fmt: skip


def scopes(rows):
    """Layers, blocks or models, of equal width or of equal parameters, in words."""
    names = {"layer": "bare layers", "block": "blocks", "model": "whole models"}
    words = rows["block"].map(names).fillna(rows["block"])
    return words + rows["match"].map({"parameters": ", equal parameters"}).fillna("")


def every_speedup(run):
    """speedup.csv, with blocks and models; of a run without it the ratios of bare layers."""
    if "speedup" not in run.tables:
        return speedups(run).assign(block="layer", match="width")
    rows = run.table("speedup")
    return rows[rows["speedup"].notna()]


def speedup_rows(runs):
    rows = gather(runs, every_speedup)
    rows = usable(rows, "speedup", "speedup_low", "speedup_high", "seq_len", "batch", "width",
                  "threads")  # fmt: skip
    if rows.empty:
        return rows
    rows = with_forms(rows).assign(
        model=rows["baseline_model"], name=rows["baseline_model"].map(model_name),
        own_rung=rows["kernel"], scope=scopes(rows),
    )  # fmt: skip
    return with_rungs(rows, "baseline_model", "baseline_kernel")


def speedup(runs):
    """How much faster attention is than each recurrent model: the chart of the second claim."""
    rows = speedup_rows(runs)
    if rows.empty:
        return None
    choices, held = choices_of(rows, SCOPE, PASS, BATCH, WIDTH, ONE_THREAD, FORM, RUNG, OWN_RUNG)
    rows = in_order(rows, choices, "seq_len")
    columns = {"name": "attention ÷", "baseline_kernel": "its kernel", "seq_len": "length",
               "speedup": "speedup", "speedup_low": "from", "speedup_high": "to",
               "status": "status"}  # fmt: skip
    chart = lines_by_model(
        rows,
        doubling_axis("seq_len", rows["seq_len"], "sequence length (tokens)"),
        ratio_axis("speedup", "tokens/s of attention ÷ recurrent", rows["speedup_low"].min(),
                   rows["speedup_high"].max()),
        columns,
        interval=("speedup_low", "speedup_high"),
        reference=1,
    )  # fmt: skip
    return Chart(
        "speedup",
        "Attention's speedup over each recurrent model, against length",
        "Above the dashed line attention is faster, below it the recurrent model; where a line crosses"
        " it, the lead is lost. Bars are 95 % intervals; hollow points are noisy.",
        rows,
        columns,
        choices,
        as_spec(chart, 320),
        against_attention("speedup", rows),
        held,
    )


def against_attention(slug, rows):
    """The sweep that has both models of each ratio."""
    options = commands.of_columns(rows, **{"pass": "pass", "batch": "batch", "length": "seq_len",
                                           "width": "width", "heads": "heads"})  # fmt: skip
    both = commands.listed(["attention", *rows["model"].unique()])
    return commands.html(slug, "scaling", [("model", both, None), *options])


PARTS = {"work_ratio": "work", "efficiency_ratio": "rate", "parallel_ratio": "parallelism"}


def parts(runs):
    """The same speedup as a product: bars on a logarithmic axis, so that they add up."""
    rows = speedup_rows(runs)
    if rows.empty or not set(PARTS) <= set(rows):
        return None
    rows = usable(rows, *PARTS)
    if rows.empty:
        return None
    against = Choice("name", "against", ("LSTM",))
    choices, held = choices_of(rows, against, SCOPE, PASS, BATCH, WIDTH, ONE_THREAD, FORM, RUNG,
                               OWN_RUNG)  # fmt: skip
    rows = in_order(rows, choices, "seq_len").melt(
        id_vars=[name for name in rows.columns if name not in PARTS],
        value_vars=list(PARTS), var_name="part", value_name="ratio",
    )  # fmt: skip
    rows = rows.assign(part=rows["part"].map(PARTS))
    rows = rows.assign(model_place=[rank(MODELS, model) for model in rows["model"]],
                       factor=rows["ratio"].map(math.log2),
                       whole=rows["speedup"].map(math.log2))  # fmt: skip
    order = [choice.column for choice in choices]
    rows = rows.sort_values([*order, "model_place", "seq_len"], kind="stable")
    columns = {"seq_len": "length", "part": "part", "ratio": "ratio", "speedup": "their product"}
    power = "format(pow(2, datum.value), '.2~g')"
    bars = rows_of().mark_bar().encode(
        x=alt.X("seq_len:O", title="sequence length (tokens)", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("factor:Q", title="attention ÷ recurrent", stack="zero",
                axis=alt.Axis(labelExpr=f"'×' + {power}", tickMinStep=1)),
        color=alt.Color("part:N", legend=legend(), scale=alt.Scale(
            domain=list(PARTS.values()),
            range=["var(--work)", "var(--rate)", "var(--parallelism)"])),
        tooltip=tooltips(columns),
    )  # fmt: skip
    whole = rows_of().mark_point(shape="diamond", filled=True, size=70, color="var(--ink)").encode(
        x="seq_len:O", y="whole:Q", tooltip=tooltips(columns)
    )  # fmt: skip
    zero = rows_of().mark_rule(color="var(--ink)").encode(y=alt.datum(0))
    return Chart(
        "parts",
        "Why: speedup = work × rate × parallelism",
        "Work: the recurrent model's FLOPs ÷ attention's. Rate: attention's FLOPs a second ÷ the"
        " recurrent model's, both on one thread. Parallelism: attention's gain from threads ÷ the"
        " recurrent model's. Bars above ×1 help attention, those below help the recurrent model; the"
        " diamond is their product.",
        rows,
        columns,
        choices,
        as_spec(alt.layer(bars, zero, whole), 300),
        against_attention("parts", rows),
        held,
    )


def crossings(runs):
    """Where attention's lead is lost: a cell for each width and batch."""
    rows = gather(runs, champion_crossings)
    rows = usable(rows, "batch", "width", "threads")
    if rows.empty:
        return None
    rows = with_forms(rows).assign(
        model=rows["baseline_model"], name=rows["baseline_model"].map(model_name),
        told=[crossing_told(row) for row in rows.itertuples()],
    )  # fmt: skip
    against = Choice("name", "against", ("LSTM",))
    choices, held = choices_of(rows, against, PASS, ONE_THREAD, FORM)
    rows = in_order(rows, choices, "width", "batch")
    columns = {"name": "attention ÷", "batch": "batch", "width": "width",
               "crossover_seq_len": "lead lost at", "crossover_low": "from", "crossover_high": "to",
               "predicted": "equal FLOPs at", "status": "status"}  # fmt: skip
    base = rows_of().encode(
        x=alt.X("width:O", title="width", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("batch:O", title="batch"),
        tooltip=tooltips(columns),
    )
    found = rows["crossover_seq_len"].dropna()
    scale = alt.Scale(type="log", range=["#e8f1fa", "#2f7fc1"], interpolate="rgb",
                      domain=[max(found.min(), 1), max(found.max(), 2)] if len(found) else [1, 2])  # fmt: skip
    cells = base.mark_rect(stroke="var(--paper)").encode(
        color=alt.condition("datum.crossover_seq_len > 0",
                            alt.Color("crossover_seq_len:Q", legend=None, scale=scale),
                            alt.value("#e6e6e6"))
    )  # fmt: skip
    numbers = base.mark_text(fontSize=13, color="#111111").encode(text="told:N")
    return Chart(
        "crossover",
        "The length at which attention's lead is lost, by width and batch",
        "Longer sequences than this train or run faster in the recurrent model. “none”: attention never"
        " leads; “>”: it still leads at the longest length measured. FLOPs alone would have it at twice"
        " the width for an LSTM, at the width for a GRU.",
        rows,
        columns,
        choices,
        as_spec(cells + numbers, ("batch", 44)),
        commands.html("crossover", "crossover", commands.of_columns(rows, **{
            "model": "model", "pass": "pass", "batch": "batch", "width": "width"})),
        held,
    )  # fmt: skip


def crossing_told(row):
    if row.status == "ok" and row.crossover_seq_len == row.crossover_seq_len:
        return f"{row.crossover_seq_len:.0f}"
    return {"always_ahead": ">", "never_ahead": "none"}.get(row.status, "")


def throughput(runs):
    """Tokens per second against length, with the choice of kernel and precision."""
    rows = gather(runs, lambda run: pd.concat([timed(run.every_precision(), dtype) for dtype in DTYPES]))
    rows = usable(rows, "tokens_per_second", "tokens_low", "tokens_high", "seq_len", "batch", "width",
                  "threads")  # fmt: skip
    if rows.empty:
        return None
    rows = with_ladders(with_forms(rows)).assign(name=lambda rows: rows["model"].map(model_name))
    choices, held = choices_of(rows, PASS, BATCH, WIDTH, ONE_THREAD, PRECISION, FORM, RUNG, OWN_RUNG)
    rows = in_order(rows, choices, "seq_len")
    columns = {"name": "model", "kernel": "kernel", "seq_len": "length", "tokens_per_second": "tokens/s",
               "tokens_low": "from", "tokens_high": "to", "seconds": "seconds",
               "fraction_of_peak": "share of the FMA peak", "status": "status"}  # fmt: skip
    low, high = rows["tokens_low"].min(), rows["tokens_high"].max()
    chart = lines_by_model(
        rows,
        doubling_axis("seq_len", rows["seq_len"], "sequence length (tokens)"),
        alt.Y("tokens_per_second:Q", title="tokens per second",
              scale=alt.Scale(type="log", domain=[low / 1.2, high * 1.2], nice=False),
              axis=alt.Axis(format="~s", tickCount=5)),
        columns,
        interval=("tokens_low", "tokens_high"),
    )  # fmt: skip
    return Chart(
        "throughput",
        "Tokens per second, against length",
        "Higher is faster. A recurrent model does the same work for each token, so its line is level;"
        " attention compares each token with every other, so its line falls.",
        rows,
        columns,
        choices,
        as_spec(chart, 320),
        commands.race("throughput", rows),
        held,
    )


def peers(runs):
    """Other libraries' times beside ours: layers of peers.csv and training steps of steps.csv."""
    layers = gather(runs, lambda run: run.table("peers"))
    layers = layers.assign(task=layers["pass"].astype(object) + " of a layer", library=layers["peer"],
                           way=layers["peer_variant"])  # fmt: skip
    steps = gather(runs, lambda run: run.table("steps"))
    steps = steps[(steps["contender"] != "seqbench") & (steps["status"] != "failed")]
    steps = steps.assign(task="training step of " + steps["task"].astype(object),
                         library=steps["contender"], way=steps["contender_variant"])  # fmt: skip
    rows = pd.concat([part for part in (layers, steps) if len(part)] or [layers], ignore_index=True)
    rows = usable(rows, "ratio", "ratio_low", "ratio_high", "seq_len")
    if rows.empty:
        return None
    rows = rows.assign(name=rows["model"].map(model_name),
                       shape=[f"{model_name(row.model)}, {row.seq_len:g} tokens"
                              for row in rows.itertuples()])  # fmt: skip
    choices, held = choices_of(rows, Choice("task", "what"), Choice("library", "library", ("pytorch",)),
                               Choice("batch", "batch"), Choice("width", "width"),
                               Choice("threads", "threads", (1,)))  # fmt: skip
    rows = in_order(rows, choices, "seq_len")
    columns = {"shape": "case", "library": "library", "way": "as", "ratio": "its seconds ÷ seqbench's",
               "ratio_low": "from", "ratio_high": "to"}  # fmt: skip
    y = alt.Y("shape:N", title=None, sort=None, axis=alt.Axis(labelLimit=170))
    axis = ratio_axis("ratio", "", rows["ratio_low"].min(), rows["ratio_high"].max())
    x = alt.X("ratio:Q", title="its seconds ÷ seqbench's", scale=axis["scale"], axis=axis["axis"])
    base = rows_of().encode(y=y, tooltip=tooltips(columns))
    chart = alt.layer(
        rows_of().mark_rule(strokeDash=[5, 4]).encode(x=alt.datum(1)),
        base.mark_rule(strokeWidth=2).encode(x="ratio_low:Q", x2="ratio_high:Q"),
        base.mark_point(filled=True, size=80, color="var(--attention)").encode(x=x),
    )
    return Chart(
        "peers",
        "Other libraries beside seqbench",
        "To the right of the dashed line the library takes longer than seqbench for the same layer or"
        " training step. Bars are 95 % intervals of the ratio.",
        rows,
        columns,
        choices,
        as_spec(chart, ("shape", 26)),
        commands.box("scripts/peers --length 512 --batch 1,16 --out results/again-peers"),
        held,
    )
