"""One function a plot: runs (and the setting it holds fixed) in, Altair chart out.

Each returns None where the runs hold nothing to draw.
"""

import math

import altair as alt
import numpy as np
import pandas as pd

from plotting import attention
from plotting.derived import (
    champion_speedups,
    layers_told,
    over_seeds,
    thread_gains,
    timed,
    times_to_solve,
)
from plotting.naming import Lines, plural

MOST_ACROSS = 4  # panels beside each other

THEME = {
    "background": "white",
    "font": "Arial, Helvetica, Liberation Sans, sans-serif",
    "title": {"fontSize": 15, "subtitleFontSize": 12, "anchor": "start", "offset": 14,
              "subtitleColor": "#444444", "subtitlePadding": 4},
    "axis": {"labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal",
             "gridColor": "#e4e4e4", "labelColor": "#222222"},
    "header": {"labelFontSize": 12, "title": None, "labelColor": "#222222"},
    "legend": {"orient": "top", "direction": "horizontal", "title": None, "labelFontSize": 12,
               "symbolSize": 90, "symbolStrokeWidth": 2, "labelLimit": 0, "columnPadding": 22},
    "view": {"stroke": "#bbbbbb"},
}  # fmt: skip


def throughput_vs_length(runs, setting):
    """Tokens per second against sequence length; a panel for each pass, batch and threads."""
    rows = gather(runs, lambda run: timed(setting.select(run.table("throughput"))))
    if rows.empty:
        return None
    rows = in_panels(rows)
    lines = Lines(rows, "kernel")
    layers = lines_with_intervals(
        lines,
        x=length_axis(rows["seq_len"]),
        y=log_axis("tokens_per_second", "tokens per second", rows, "tokens_low", "tokens_high"),
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
    rows = in_panels(rows.assign(model=rows["baseline_model"], reference=1))
    lines = Lines(rows, "baseline_kernel")
    layers = lines_with_intervals(
        lines,
        x=length_axis(rows["seq_len"]),
        y=ratio_axis("speedup", "attention ÷ recurrent, tokens/s (×)", rows, "speedup_low",
                     "speedup_high"),
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


def speedup_vs_threads(runs, setting):
    """What each model gains from threads, at the longest length that every batch has."""
    rows = gather(runs, lambda run: thread_gains(setting.select(run.table("throughput"))))
    if rows.empty or rows["threads"].max() == 1:
        return None
    length = min(group["seq_len"].max() for _, group in rows.groupby("batch"))
    rows = rows[rows["seq_len"] == length]
    rows = in_panels(rows.assign(reference=rows["threads"]), panel_for_threads=False)
    lines = Lines(rows, "kernel")
    counts = sorted(int(count) for count in rows["threads"].unique())
    layers = lines_with_intervals(
        lines,
        x=alt.X("threads:Q", title="threads", axis=alt.Axis(values=counts, format="d"),
                scale=alt.Scale(zero=False, nice=False, padding=12)),
        y=alt.Y("gain:Q", title="time on 1 thread ÷ time (×)",
                axis=alt.Axis(format="~g", tickCount=5)),
        interval=("gain_low", "gain_high"),
        tooltip=["model", "kernel", "pass", "batch", "seq_len", "threads", "gain", "gain_low",
                 "gain_high", "status"],
        reference=alt.X("threads:Q"),
    )  # fmt: skip
    return titled(
        in_grid(layers, lines.rows),
        "Gain from threads",
        f"{setting.label}, length {length:g}; dashed line: n threads, n times as fast",
    )


def thread_gain_vs_length(runs, setting):
    """What each model gains from the most threads, against sequence length."""
    rows = gather(runs, lambda run: thread_gains(setting.select(run.table("throughput"))))
    if rows.empty or rows["threads"].max() == 1:
        return None
    rows = rows[rows["threads"] == rows.groupby("run")["threads"].transform("max")]
    rows = in_panels(rows.assign(reference=1))
    lines = Lines(rows, "kernel")
    layers = lines_with_intervals(
        lines,
        x=length_axis(rows["seq_len"]),
        y=alt.Y("gain:Q", title="time on 1 thread ÷ time (×)",
                axis=alt.Axis(format="~g", tickCount=5)),
        interval=("gain_low", "gain_high"),
        tooltip=["model", "kernel", "pass", "batch", "seq_len", "threads", "gain", "gain_low",
                 "gain_high", "status"],
        reference=alt.X("seq_len:Q"),
    )  # fmt: skip
    return titled(
        in_grid(layers, lines.rows),
        "Gain from threads against sequence length",
        f"{setting.label}; dashed line: no gain",
    )


def accuracy_vs_distance(runs):
    """Accuracy of trained models against distance: median over seeds, bars from least to most."""
    rows = layers_told(gather(runs, lambda run: run.table("recall")))
    experiment = ["run", "task", "setup", "regime", "preset"]
    rows = over_seeds(rows, [*experiment, "model", "variant", "distance", "chance"], "accuracy")
    if rows.empty:
        return None
    rows = rows.assign(
        column_panel=experiment_names(rows), row_panel=rows["run"], reference=rows["chance"]
    )
    y = alt.Y("median:Q", title="accuracy (share of answers)",
              scale=alt.Scale(domain=[0, 1.05], nice=False), axis=alt.Axis(format=".0%"))  # fmt: skip
    tooltip = ["task", "model", "variant", "distance", "median", "low", "high", "seeds"]
    return titled(
        against_distance(Lines(rows, "variant"), y, tooltip, reference=True),
        "Accuracy against distance",
        f"median of {seeds_text(rows)}; dashed line: guessing",
    )


def time_to_solve_vs_distance(runs):
    """Seconds of training until a task was solved, against the distance: median over the seeds
    that solved it, where most did."""
    rows = layers_told(gather(runs, lambda run: run.table("recall")))
    rows = rows[rows["regime"] == "single"]
    experiment = ["run", "task", "setup", "regime", "preset"]
    rows = times_to_solve(rows, [*experiment, "model", "variant", "distance"])
    if rows.empty:
        return None
    rows = rows.assign(column_panel=experiment_names(rows), row_panel=rows["run"])
    y = log_axis("median", "seconds of training until solved", rows, "low", "high", label="~g")
    tooltip = ["task", "model", "variant", "distance", "median", "low", "high", "seeds", "trained"]
    return titled(
        against_distance(Lines(rows, "variant"), y, tooltip),
        "Time to a solution",
        f"median of {seeds_text(rows)} that solved the task, of {trained_text(rows)} trained",
    )


def trained_text(rows):
    least, most = int(rows["trained"].min()), int(rows["trained"].max())
    return str(most) if least == most else f"{least} to {most}"


def against_distance(lines, y, tooltip, reference=False):
    """Medians with bars from least to most against distance, a panel for each experiment; panels
    with a single distance have a column for each model and variant instead. With `reference`, the
    column of that name is drawn over it as a grey dashed line."""
    rows = lines.rows
    single = rows.groupby(["row_panel", "column_panel"])["distance"].transform("nunique") == 1
    charts = []
    if not single.all():
        shown = set_apart(rows[~single])
        layers = lines_with_intervals(
            lines,
            # Each panel has some of them.
            x=length_axis(shown["distance"], "shown_distance", "distance (tokens)", most=32),
            y=y,
            interval=("low", "high"),
            tooltip=tooltip,
            reference=alt.X("distance:Q") if reference else None,
        )
        chart = in_grid(layers, shown, width=460, height=270)
        if isinstance(chart, alt.FacetChart):
            chart = chart.resolve_scale(x="independent")
        if single.any() and isinstance(chart, alt.FacetChart):
            chart.spec.layer[0].name = "lines"  # altair 6 needs one to concatenate such a chart
        names = shown["column_panel"].unique()
        if single.any() and len(names) == 1:
            chart = chart.properties(title=panel_title(names[0]))
        charts.append(chart)
    if single.any():
        shown = rows[single]
        at = ", distance " + shown["distance"].map("{:g}".format)
        shown = shown.assign(column_panel=shown["column_panel"] + at)
        columns = columns_of_models(lines, shown, y, tooltip, reference)
        charts.append(alt.concat(*columns, columns=2 * MOST_ACROSS))
    return alt.vconcat(*charts) if single.any() else charts[0]


def columns_of_models(lines, rows, y, tooltip, reference):
    """A chart for each panel: a column for each model and variant, a bar from least to most over
    each point; with `reference`, that column as a dashed line across."""
    charts = []
    for _, panel in rows.groupby(["row_panel", "column_panel"], sort=False):
        panel = panel.assign(column=panel["line_model"] + ", " + panel["variant"])
        order = [f"{model}, {variant}" for model in lines.models for variant in lines.varieties]
        base = alt.Chart(panel).encode(
            x=alt.X("column:N", sort=order, title=None, axis=alt.Axis(labelAngle=-40, labelLimit=0)),
            color=alt.Color(
                "line_model:N", scale=alt.Scale(domain=lines.models, range=lines.colours)
            ),
        )
        points = base.mark_point(size=60, strokeWidth=1.5, filled=True, opacity=1).encode(
            y=y,
            shape=alt.Shape(
                "line_model:N", scale=alt.Scale(domain=lines.models, range=lines.shapes)
            ),
            tooltip=tooltip,
        )
        bars = base.mark_rule(strokeWidth=1.4).encode(y="low:Q", y2="high:Q")
        layers = [bars, points]
        if reference:
            grey = alt.Chart(panel).mark_rule(strokeDash=[4, 3], color="#777777", strokeWidth=1.2)
            layers.insert(0, grey.encode(y="mean(reference):Q"))
        name = panel["column_panel"].iloc[0]
        if rows["row_panel"].nunique() > 1:
            name = f"{panel['row_panel'].iloc[0]} — {name}"
        charts.append(
            alt.layer(*layers).properties(
                width=alt.Step(34), height=270, title=panel_title(name)
            )
        )
    return charts


def panel_title(name):
    return alt.Title(name, fontSize=12, offset=6)


def learning_curves(runs):
    """Accuracy on training batches against optimiser steps, at up to three distances of each task:
    median over the seeds still training."""
    rows = layers_told(gather(runs, lambda run: run.table("learning")))
    experiment = ["run", "task", "setup", "regime", "preset"]
    keys = [*experiment, "model", "variant", "train_distance", "step"]
    rows = over_seeds(rows, keys, "accuracy")
    if rows.empty:
        return None
    rows = rows.assign(experiment=experiment_names(rows))
    rows = pd.concat(
        [few_distances(group) for _, group in rows.groupby(["run", "experiment"], sort=False)],
        ignore_index=True,
    )
    rows = rows.sort_values("place", key=lambda places: places.map(PLACES.index), kind="stable")
    trained_at = ", trained at " + rows["train_distance"].map("{:g}".format)
    rows = rows.assign(
        column_panel=rows["place"],
        row_panel=rows["run"] + ": " + rows["experiment"],
        panel=rows["experiment"] + trained_at,
    )
    lines = Lines(rows, "variant")
    legend = alt.Legend(orient="bottom", symbolType="stroke", symbolSize=500)
    curve = alt.Chart().mark_line(strokeWidth=1.5).encode(
        x=alt.X("step:Q", title="optimiser steps", axis=alt.Axis(tickCount=4)),
        y=alt.Y("median:Q", title="accuracy in training",
                scale=alt.Scale(domain=[0, 1.05], nice=False), axis=alt.Axis(format=".0%")),
        color=alt.Color(
            "line_model:N", scale=alt.Scale(domain=lines.models, range=lines.colours)
        ),
        strokeDash=alt.StrokeDash(
            "line_variety:N",
            scale=alt.Scale(domain=lines.varieties, range=lines.dashes),
            legend=legend if lines.has_varieties else None,
        ),
        tooltip=["panel:N", "model:N", "variant:N", "step:Q", "median:Q", "seeds:Q"],
    )  # fmt: skip
    chart = in_grid([curve], lines.rows, width=250, height=150)
    return titled(
        chart.resolve_scale(x="independent"),
        "Learning curves",
        f"median of {seeds_text(rows)}; shortest, middle and longest distance of training",
    )


PLACES = ("shortest distance", "middle distance", "longest distance")


def few_distances(rows):
    """The rows of the shortest, the middle and the longest distance of training, with its place
    among them."""
    distances = sorted(rows["train_distance"].unique())
    shortest, middle, longest = PLACES
    chosen = {distances[len(distances) // 2]: middle, distances[0]: shortest}
    chosen[distances[-1]] = longest  # of two or one there is no middle
    rows = rows[rows["train_distance"].isin(list(chosen))]
    return rows.assign(place=rows["train_distance"].map(chosen))


def experiment_names(rows):
    """The task of each row, with its preset, and with set-up and regime where there are several."""
    names = rows["task"].where(rows["preset"] == "", rows["preset"])
    if rows[["setup", "regime"]].drop_duplicates().shape[0] > 1:
        names = names + " " + rows["setup"] + " " + rows["regime"]
    return names


def accuracy_vs_gap(runs):
    """Accuracy against the gap between an answer and its evidence, within sequences of one length:
    median over seeds, bars from least to most."""
    rows = layers_told(gather(runs, lambda run: run.table("gap")))
    keys = ["run", "task", "setup", "regime", "preset", "distance", "model", "variant", "first_gap"]
    rows = over_seeds(rows, keys, "accuracy")
    if rows.empty:
        return None
    panel = experiment_names(rows) + ", " + rows["distance"].map("{:g} tokens".format)
    lines = Lines(rows.assign(column_panel=panel, row_panel=rows["run"]), "variant")
    layers = lines_with_intervals(
        lines,
        x=length_axis(rows["first_gap"], "first_gap", "gap (tokens, up to the next tick)"),
        y=alt.Y("median:Q", title="accuracy (share of answers)",
                scale=alt.Scale(domain=[0, 1.05], nice=False), axis=alt.Axis(format=".0%")),
        interval=("low", "high"),
        tooltip=["task", "model", "variant", "distance", "first_gap", "median", "low", "high",
                 "seeds"],
    )  # fmt: skip
    return titled(
        in_grid(layers, lines.rows, width=300, height=230),
        "Accuracy against the gap within a sequence",
        f"median of {seeds_text(rows)}",
    )


def gradient_vs_distance(runs):
    """Norm of the gradient that reaches a word, against how far back the word stands."""
    rows = layers_told(gather(runs, lambda run: run.table("gradient")))
    rows = rows[rows["preset"] == ""]
    rows = rows.assign(task=rows["task"].where(rows["setup"] != "encoder", rows["task"] + ", encoder"))
    keys = ["run", "task", "regime", "stage", "model", "variant", "distance"]
    rows = over_seeds(rows, keys, "gradient_norm")
    rows = rows[(rows["low"] > 0) & at_doublings(rows["distance"])]  # the axis has no zero
    if rows.empty:
        return None
    stage = rows["stage"].replace({"init": "before training", "trained": "after training"})
    several = rows[["task", "regime"]].drop_duplicates().shape[0] > 1
    down = rows["run"] + (", " + rows["task"] + " " + rows["regime"] if several else "")
    rows = rows.assign(column_panel=stage, row_panel=down)
    lines = Lines(rows, "variant")
    layers = lines_with_intervals(
        lines,
        x=length_axis(rows["distance"], "distance", "distance (tokens)"),
        y=log_axis("median", "gradient norm", rows, "low", "high", label="~e"),
        interval=("low", "high"),
        tooltip=["model", "variant", "stage", "distance", "median", "low", "high", "seeds"],
    )  # fmt: skip
    return titled(
        in_grid(layers, lines.rows, width=330, height=270),
        "Gradient norm against distance",
        f"median of {seeds_text(rows)}",
    )


def attention_arcs(runs):
    return attention.arcs(runs, titled)


def attention_maps(runs):
    return attention.heat_maps(runs, titled)


def accuracy_with_word_hidden(runs):
    return attention.hidden_words(runs, titled)


def gather(runs, rows_of):
    """One table of all runs' rows, with the run's name in column `run`."""
    tables = [rows_of(run).assign(run=run.name) for run in runs]
    return pd.concat([t for t in tables if not t.empty] or tables[:1], ignore_index=True)


def in_panels(rows, panel_for_threads=True):
    """Adds the panels' names: pass (and run, where there are several) down, batch and threads
    across."""
    threads = rows["threads"].map(lambda count: ", " + plural(count, "thread"))
    across = rows["batch"].map("batch {:g}".format) + (threads if panel_for_threads else "")
    down = rows["pass"] + ("" if rows["run"].nunique() <= 1 else " — " + rows["run"])
    rows = rows.assign(column_panel=across, row_panel=down)
    return rows.sort_values(["pass", "run", "batch", "threads", "seq_len"])


def length_axis(values, column="seq_len", title="sequence length (tokens)", most=8):
    """A doubling axis with ticks at measured values, `most` of them."""
    ticks = sorted(int(value) for value in values.unique())
    ticks = ticks[:: 1 + (len(ticks) - 1) // most]
    # A logarithmic axis has no room for 0.
    scale = {"type": "symlog", "constant": 1} if ticks[0] == 0 else {"type": "log", "base": 2}
    return alt.X(
        f"{column}:Q",
        title=title,
        scale=alt.Scale(**scale, padding=12, nice=False),
        axis=alt.Axis(values=ticks, format="d", labelOverlap=True),
    )


def log_axis(column, title, rows, low, high, label="~s"):
    """A logarithmic axis from `low` to `high` with ticks at 1, 2 and 5, or at powers of ten where
    the values span more than three of them."""
    first, last = rows[low].min(), rows[high].max()
    decades = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    steps = (1, 2, 5) if last < 1000 * first else (1,)
    every = 1 + len(decades) // 10
    ticks = [step * 10.0**decade for decade in decades[::every] for step in steps]
    return alt.Y(
        f"{column}:Q",
        title=title,
        scale=alt.Scale(type="log", domain=with_margin(first, last), nice=False),
        axis=alt.Axis(values=ticks, format=label),
    )


def ratio_axis(column, title, rows, low, high):
    """A doubling axis from `low` to `high` with ticks at 1 and at powers of two: 1/4, 1/2, 1, 2."""
    first, last = min(rows[low].min(), 1), max(rows[high].max(), 1)
    least, most = math.floor(math.log2(first)), math.ceil(math.log2(last))
    every = 1 + (most - least) // 8
    powers = [power for power in range(least, most + 1) if power % every == 0]
    return alt.Y(
        f"{column}:Q",
        title=title,
        scale=alt.Scale(type="log", base=2, domain=with_margin(first, last), nice=False),
        axis=alt.Axis(
            values=[2.0**power for power in powers],
            labelExpr="datum.value < 1 ? '1/' + 1 / datum.value : datum.value",
        ),
    )


def with_margin(first, last):
    """The ends of a logarithmic axis with room for the outermost points."""
    return [first / 1.15, last * 1.15]


def at_doublings(distances):
    """True for powers of two and for the longest distance: the points that a doubling axis has
    room for."""
    powers = 2.0 ** np.round(np.log2(distances.astype(float)))
    return (distances == powers) | (distances == distances.max())


def set_apart(rows):
    """Sets the points that a panel has at one distance slightly apart, so that equal values stay
    visible."""
    panels = ["row_panel", "column_panel"]
    of_all = rows.groupby(["line_model", "line_variety"], sort=False).ngroup()
    place = of_all.groupby([rows[panel] for panel in panels]).rank("dense") - 1
    last = place.groupby([rows[panel] for panel in panels]).transform("max")
    # A twentieth of a doubling from point to point: far below the step of the axis.
    shift = 2 ** (0.05 * (place - last / 2))
    return rows.assign(shown_distance=rows["distance"] * shift)


def lines_with_intervals(lines, x, y, interval, tooltip, reference=None):
    """Layers: a line with points for each model and variety, a bar over the columns `interval` at
    each point.

    Points of status `noisy` are hollow. A click on the legend picks a model. Where the x encoding
    `reference` is given, column `reference` is drawn over it as a grey dashed line.
    """

    def by_model(channel, values):
        return channel("line_model:N", scale=alt.Scale(domain=lines.models, range=values))

    legend = alt.Legend(orient="bottom", symbolType="stroke", symbolSize=500)
    dash = alt.StrokeDash(
        "line_variety:N",
        scale=alt.Scale(domain=lines.varieties, range=lines.dashes),
        legend=legend if lines.has_varieties else None,
    )
    picked = alt.selection_point(fields=["line_model"], bind="legend")
    base = alt.Chart().encode(
        x=x,
        color=by_model(alt.Color, lines.colours),
        opacity=alt.condition(picked, alt.value(1), alt.value(0.08)),
    )
    low, high = interval
    strokes = base.mark_line(strokeWidth=1.8).encode(y=y, strokeDash=dash)
    intervals = base.mark_rule(strokeWidth=1.4).encode(y=f"{low}:Q", y2=f"{high}:Q")
    points = base.mark_point(size=42, strokeWidth=1.5).encode(
        y=y,
        shape=by_model(alt.Shape, lines.shapes),
        fill=alt.condition(
            "datum.status === 'noisy'", alt.value("white"), by_model(alt.Color, lines.colours)
        ),
        tooltip=tooltip,
    )
    layers = [strokes, intervals, points.add_params(picked)]
    if reference is not None:
        grey = alt.Chart().mark_line(strokeDash=[4, 3], color="#777777", strokeWidth=1.2)
        layers.insert(0, grey.encode(x=reference, y="mean(reference):Q"))
    return layers


def in_grid(layers, rows, width=215, height=190):
    """Lays the layers into one panel for each (row_panel, column_panel), with common axes; a
    direction with a single panel has no header. A single row of many is wrapped."""
    chart = alt.layer(*layers).properties(width=width, height=height)
    layout = {}
    for channel, kind in (("row", alt.Row), ("column", alt.Column)):
        names = list(dict.fromkeys(rows[f"{channel}_panel"]))
        if len(names) > 1:
            layout[channel] = kind(f"{channel}_panel:N", sort=names)
    if list(layout) == ["column"] and len(names) > MOST_ACROSS:
        wrapped = alt.Facet("column_panel:N", sort=names)
        return chart.facet(wrapped, data=rows, columns=MOST_ACROSS)
    rows = with_every_panel(rows)
    return chart.facet(data=rows, **layout) if layout else chart.properties(data=rows)


def with_every_panel(rows):
    """The rows, and one without values for each (row_panel, column_panel) that has none: Vega-Lite
    would place a panel without rows first, and all others one further on."""
    panels = ["row_panel", "column_panel"]
    of_every = pd.MultiIndex.from_product([rows[panel].unique() for panel in panels], names=panels)
    missing = of_every.difference(pd.MultiIndex.from_frame(rows[panels]), sort=False)
    if missing.empty:
        return rows
    empty = missing.to_frame(index=False).assign(
        line_model=rows["line_model"].iloc[0], line_variety=rows["line_variety"].iloc[0]
    )
    return pd.concat([rows, empty], ignore_index=True)


def seeds_text(rows):
    least, most = int(rows["seeds"].min()), int(rows["seeds"].max())
    return plural(most, "seed") if least == most else f"{least} to {most} seeds"


def titled(chart, title, subtitle):
    return chart.properties(title=alt.Title(title, subtitle=subtitle)).configure(**THEME)
