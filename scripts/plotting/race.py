"""Plots of the race: throughput, speedup, gain from threads.

One function a plot: runs and the setting it holds fixed in, Altair chart out; None where the runs
hold nothing to draw.
"""

import altair as alt
import pandas as pd

from plotting.derived import (
    DTYPES,
    champion_crossings,
    champion_speedups,
    speedups_by_block,
    thread_gains,
    timed,
)
from plotting.layout import (
    gather,
    in_grid,
    length_axis,
    lines_with_intervals,
    log_axis,
    ratio_axis,
    titled,
)
from plotting.naming import MODELS, Lines, model_name, plural


def throughput_vs_length(runs, setting):
    """Tokens per second against sequence length; a panel for each pass, batch and threads."""
    rows = gather(runs, lambda run: timed(setting.select(run.table("throughput"))))
    if rows.empty:
        return None
    rows = with_panel_names(rows)
    lines = Lines(rows, "kernel")
    layers = lines_with_intervals(
        lines,
        x=length_axis(rows["seq_len"]),
        y=log_axis("tokens_per_second", "tokens per second", rows, low="tokens_low",
                   high="tokens_high"),
        interval=("tokens_low", "tokens_high"),
        tooltip=["model", "kernel", "pass", "batch", "seq_len", "threads", "tokens_per_second",
                 "seconds", "status"],
    )  # fmt: skip
    chart = in_grid(layers, lines.rows)
    return titled(chart, "Throughput against sequence length", setting.label)


def speedup_vs_length(runs, setting):
    """Tokens/s of attention ÷ tokens/s of each recurrent model against sequence length."""
    rows = gather(runs, lambda run: setting.select(champion_speedups(run)))
    if rows.empty:
        return None
    rows = with_panel_names(rows.assign(model=rows["baseline_model"], reference=1))
    lines = Lines(rows, "baseline_kernel")
    layers = lines_with_intervals(
        lines,
        x=length_axis(rows["seq_len"]),
        y=ratio_axis("speedup", "attention ÷ recurrent, tokens/s (×)", rows, low="speedup_low",
                     high="speedup_high"),
        interval=("speedup_low", "speedup_high"),
        tooltip=["baseline_model", "baseline_kernel", "pass", "batch", "seq_len", "threads",
                 "speedup", "speedup_low", "speedup_high", "status"],
        reference=alt.X("seq_len:Q"),
    )  # fmt: skip
    return titled(
        in_grid(layers, lines.rows),
        "Attention's speedup over each recurrent model",
        f"{setting.label}; above the dashed line attention is ahead, below it the recurrent model",
    )


BLOCKS = ("layer", "block", "model")


def speedup_by_block(runs):
    """The same for bare layers, blocks and models; a panel for each recurrent model down, batch and
    what is equal across."""
    rows = gather(runs, speedups_by_block)
    if rows.empty:
        return None
    order = {model: place for place, model in enumerate(MODELS)}
    rows = rows.assign(
        baseline=rows["baseline_model"].map(model_name),
        panel=rows["batch"].map("batch {:g}, ".format) + "equal " + rows["match"],
        place=rows["baseline_model"].map(order),
    )
    base = alt.Chart().encode(
        x=length_axis(rows["seq_len"]),
        color=alt.Color("block:N", sort=BLOCKS, title="of attention and recurrent model"),
        tooltip=["baseline_model", "block", "layers", "match", "batch", "seq_len", "threads",
                 "speedup", "speedup_low", "speedup_high", "work_ratio", "status"],
    )  # fmt: skip
    y = ratio_axis("speedup", "attention ÷ recurrent, tokens/s (×)", rows, low="speedup_low",
                   high="speedup_high")  # fmt: skip
    one = alt.Chart().mark_rule(strokeDash=[4, 4]).encode(y=alt.datum(1))
    chart = alt.layer(
        base.mark_line().encode(y=y),
        base.mark_point(filled=True).encode(y=y),
        base.mark_rule().encode(y=alt.Y("speedup_low:Q"), y2="speedup_high:Q"),
        one,
        data=rows,
    ).properties(width=220, height=140)
    downwards = [model_name(model) for model in order]
    chart = chart.facet(row=alt.Row("baseline:N", sort=downwards, title=None),
                        column=alt.Column("panel:N", title=None))  # fmt: skip
    threads = plural(int(rows["threads"].iloc[0]), "thread")
    return titled(chart, "Attention's speedup, of layers, blocks and models",
                  f"training, {threads}; above the dashed line attention is ahead")  # fmt: skip


def speedup_vs_threads(runs, setting):
    """What each model gains from threads, at the longest length that all of them have."""
    rows = gather(runs, lambda run: thread_gains(setting.select(run.table("throughput"))))
    if rows.empty or rows["threads"].max() == 1:
        return None
    length = common_length(rows)
    rows = rows[rows["seq_len"] == length]
    rows = with_panel_names(rows.assign(reference=rows["threads"]), panel_for_threads=False)
    lines = Lines(rows, "kernel")
    counts = sorted(int(count) for count in rows["threads"].unique())
    threads = alt.X("threads:Q", title="threads", axis=alt.Axis(values=counts, format="d"),
                    scale=alt.Scale(zero=False, nice=False, padding=12))  # fmt: skip
    layers = lines_of_gain(lines, threads, reference="threads")
    return titled(
        in_grid(layers, lines.rows),
        "Gain from threads",
        f"{setting.label}, length {length:g}; dashed line: n threads, n times as fast",
    )


def common_length(rows):
    """The longest length that every model has in every run, pass and batch; of those that share
    none the shortest of their longest."""
    lengths = rows.groupby(["run", "model", "pass", "batch"])["seq_len"].agg(set)
    common = set.intersection(*lengths)
    return max(common) if common else min(max(each) for each in lengths)


def thread_gain_vs_length(runs, setting):
    """What each model gains from the most threads, against sequence length."""
    rows = gather(runs, lambda run: thread_gains(setting.select(run.table("throughput"))))
    if rows.empty or rows["threads"].max() == 1:
        return None
    most = rows.groupby("run")["threads"].transform("max")
    rows = rows[(rows["threads"] == most) & (most > 1)]
    rows = with_panel_names(rows.assign(reference=1))
    lines = Lines(rows, "kernel")
    layers = lines_of_gain(lines, length_axis(rows["seq_len"]), reference="seq_len")
    return titled(
        in_grid(layers, lines.rows),
        "Gain from threads against sequence length",
        f"{setting.label}; dashed line: no gain",
    )


def lines_of_gain(lines, x, reference):
    y = alt.Y("gain:Q", title="time on 1 thread ÷ time (×)",
              axis=alt.Axis(format="~g", tickCount=5))  # fmt: skip
    tooltip = ["model", "kernel", "pass", "batch", "seq_len", "threads", "gain", "gain_low",
               "gain_high", "status"]  # fmt: skip
    interval = ("gain_low", "gain_high")
    return lines_with_intervals(lines, x, y, interval=interval, tooltip=tooltip,
                                reference=alt.X(f"{reference}:Q"))  # fmt: skip


def with_panel_names(rows, panel_for_threads=True):
    """Adds the panels' names: pass (and run, where there are several) down, batch and threads
    across."""
    threads = rows["threads"].map(lambda count: ", " + plural(count, "thread"))
    across = rows["batch"].map("batch {:g}".format) + (threads if panel_for_threads else "")
    down = rows["pass"] + ((" — " + rows["run"]).where(rows["of_several"].astype(bool), ""))
    rows = rows.assign(column_panel=across, row_panel=down)
    # Panels come in the order of their first rows: across by batch and threads, down by pass.
    return rows.sort_values(["batch", "threads", "pass"], kind="stable")


def crossover_map(runs):
    """The length at which attention's lead is lost, by width and batch; a panel for each baseline and
    pass down, threads and precision across. Drawn where a run has several widths, or both precisions."""
    rows = pd.concat(
        [gather(runs, lambda run, dtype=dtype: champion_crossings(run, dtype)) for dtype in DTYPES],
        ignore_index=True,
    )
    if rows.empty or (rows["width"].nunique() < 2 and rows["dtype"].nunique() < 2):
        return None
    order = {model: place for place, model in enumerate(MODELS)}
    rows = rows.assign(
        place=rows["baseline_model"].map(order),
        baseline=rows["baseline_model"].map(model_name),
        told=[crossing_told(row) for row in rows.itertuples()],
        row_panel=rows["pass"] + ", ÷ " + rows["baseline_model"].map(model_name)
        + (" — " + rows["run"]).where(rows["of_several"].astype(bool), ""),
        column_panel=rows["threads"].map(lambda count: plural(count, "thread"))
        + (", " + rows["dtype"] if rows["dtype"].nunique() > 1 else ""),
    )
    # Panels come in the order of their first rows, which need not have all threads or precisions.
    across = rows.sort_values(["threads", "dtype"], key=in_order_of_dtypes, kind="stable")
    rows = rows.sort_values(["pass", "place"], kind="stable")
    panels = {"row": rows["row_panel"], "column": across["column_panel"]}
    base = alt.Chart().encode(
        x=alt.X("width:O", title="width", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("batch:O", title="batch"),
        tooltip=["pass", "baseline", "batch", "width", "threads", "dtype", "crossover_seq_len",
                 "crossover_low", "crossover_high", "predicted", "status"],
    )  # fmt: skip
    cells = base.mark_rect(stroke="white").encode(
        color=alt.Color("crossover_seq_len:Q", title="length (tokens)",
                        scale=alt.Scale(type="log", range=["#f7fbff", "#08519c"]))
    )  # fmt: skip
    numbers = base.mark_text(fontSize=10).encode(
        text="told:N",
        color=alt.condition("datum.crossover_seq_len > 2000", alt.value("white"), alt.value("black")),
    )
    layout = {
        channel: kind(f"{channel}_panel:N", sort=list(dict.fromkeys(panels[channel])), title=None,
                      header=alt.Header(labelAngle=0, labelAlign=align))
        for channel, kind, align in (("row", alt.Row, "left"), ("column", alt.Column, "center"))
    }  # fmt: skip
    chart = alt.layer(cells, numbers).properties(width=alt.Step(62), height=alt.Step(22))
    return titled(
        chart.facet(data=rows, **layout),
        "Length at which attention's lead is lost",
        "longer than the longest measured: >; attention never ahead: none",
    )


def in_order_of_dtypes(column):
    """The column, of precisions their place among DTYPES."""
    return column.map(DTYPES.index) if column.name == "dtype" else column


def crossing_told(row):
    if row.status == "ok":
        return f"{row.crossover_seq_len:.0f}"
    return {"always_ahead": ">", "never_ahead": "none"}.get(row.status, "")
