"""Plots of what models remember: accuracy, time to a solution, learning curves, gaps, gradients.

One function a plot: runs in, Altair chart out; None where the runs hold nothing to draw. Each
experiment (a task in one set-up and regime, or a preset) has a panel of its own, with the models'
main lines (derived.main_lines); what else was trained has a plot of variants.
"""

import altair as alt
import numpy as np
import pandas as pd

from plotting.derived import (
    EXPERIMENT,
    at_longest,
    layers_told,
    main_lines,
    outcomes,
    over_seeds,
    times_to_solve,
)
from plotting.layout import (
    accuracy_axis,
    colour_of,
    dash_of,
    gather,
    length_axis,
    lines_with_intervals,
    log_axis,
    point_style,
    titled,
)
from plotting.naming import OUTCOMES, STAGES, Lines, rank, seeds_text, span

LINE = [*EXPERIMENT, "experiment", "model", "variant"]
# Below that seqbench tells no gradient (harness/training/gradient_probe.h).
LEAST_LOG10 = -596
# The least number of a training, which holds float32 and flushes subnormals: less is no gradient.
LEAST_FLOAT_LOG10 = np.log10(np.finfo(np.float32).smallest_normal)
# Where the axis of gradients ends: lines that go on below would squeeze all others.
LOWEST_DRAWN_LOG10 = -60
# Of a learning curve: more than a panel has pixels.
MOST_POINTS = 300
# Of panels with a column for each model and variant: how many columns stand in a row of panels,
# the room of an axis counted as three.
MOST_COLUMNS = 36
# How far points are set apart to either side, in doublings.
WIDEST_SHIFT = 0.25


def accuracy_vs_distance(runs):
    """Accuracy of trained models against distance: median over seeds, bars from least to most."""
    rows = rows_of_main_lines(runs, "recall")
    rows = rows[rows["status"] == "ok"]
    rows = over_seeds(rows, [*LINE, "train_distance", "distance", "chance"], "accuracy")
    if rows.empty:
        return None
    rows = with_status(rows).assign(panel=rows["experiment"], reference=rows["chance"])
    tooltip = ["task", "model", "variant", "train_distance", "distance", "median", "low", "high",
               "seeds"]  # fmt: skip
    return titled(
        against_distance(rows, rows.groupby("panel")["distance"], accuracy_axis(), tooltip),
        "Accuracy against distance",
        f"median of {seeds_text(rows)}; dashed line: guessing",
    )


def accuracy_of_variants(runs):
    """Accuracy of every variant and number of layers, at the distances where there are more than
    the main lines."""
    rows = gather(runs, lambda run: run.table("recall"))
    rows = rows[(rows["status"] == "ok") & rows["accuracy"].notna()]
    has_more = (~main_lines(rows, rows)).groupby([rows[key] for key in [*EXPERIMENT, "distance"]])
    rows = rows.assign(experiment=experiment_names(rows), has_more=has_more.transform("any"))
    rows = layers_told(rows)
    rows = rows[rows["has_more"].astype(bool)]
    rows = over_seeds(rows, [*LINE, "train_distance", "distance", "chance"], "accuracy")
    if rows.empty:
        return None
    rows = rows.sort_values([*EXPERIMENT, "distance"])
    at = ", distance " + rows["distance"].map("{:g}".format)
    rows = with_status(rows).assign(panel=rows["experiment"] + at, reference=rows["chance"])
    lines = Lines(rows, "variant")
    tooltip = ["task", "model", "variant", "distance", "median", "low", "high", "seeds"]
    panels = in_panels(lines.rows)
    return titled(
        rows_of_columns(lines, panels, accuracy_axis(), tooltip),
        "Accuracy of variants",
        f"median of {seeds_text(rows)}; dashed line: guessing",
    )


def share_solved(runs):
    """The share of seeds that solve each task at each distance from each start: a panel an
    experiment, a row a model and start or control, a cell the seeds that solved of those trained."""
    rows = gather(runs, lambda run: run.table("recall"))
    rows = rows[(rows["status"] == "ok") & (rows["distance"] == rows["train_distance"])]
    rows = rows.assign(experiment=experiment_names(rows))
    rows = outcomes(layers_told(rows), [*LINE, "distance"])
    if rows.empty:
        return None
    lines = Lines(rows, "variant")
    rows = lines.rows.assign(
        line=lines.rows["line_model"] + ", " + lines.rows["variant"],
        cell=[f"{row.solved}/{row.seeds}" for row in rows.itertuples()],
        panel=rows["experiment"],
    )
    charts = []
    for panel in in_panels(rows.sort_values(EXPERIMENT)):
        order = sorted(panel["line"].unique(), key=lambda name: (
            rank(lines.models, name.split(", ")[0]), lines.rank(name.split(", ", 1)[1])))  # fmt: skip
        base = alt.Chart().encode(
            x=alt.X("distance:O", title="distance (tokens)", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("line:N", sort=order, title=None, axis=alt.Axis(labelLimit=0)),
            tooltip=["task", "model", "variant", "distance", *OUTCOMES, "seeds", "low", "high"],
        )
        cells = base.mark_rect(stroke="white").encode(
            color=alt.Color("share:Q", title="share of seeds that solve",
                            scale=alt.Scale(domain=[0, 1], range=["#f7fbff", "#08519c"]),
                            legend=alt.Legend(format=".0%"))
        )  # fmt: skip
        numbers = base.mark_text(fontSize=10).encode(
            text="cell:N",
            color=alt.condition("datum.share > 0.6", alt.value("white"), alt.value("black")),
        )
        charts.append(panel_of([cells, numbers], panel, alt.Step(42), alt.Step(18)))
    return titled(
        alt.concat(*charts, columns=3),
        "Seeds that solve a task",
        f"of {seeds_text(rows)}; test at the distance of training (of a mixture the longest)",
    )


def time_to_solve_vs_distance(runs):
    """Seconds of training until a task was solved, against the distance: median over the seeds
    that solved it, where most did."""
    rows = rows_of_main_lines(runs, "recall")
    rows = rows[(rows["regime"] == "single") & (rows["status"] == "ok")]
    rows = rows.assign(panel=rows["experiment"])
    trained = rows.groupby("panel")["train_distance"]
    rows = times_to_solve(rows, [*LINE, "panel", "distance"])
    if rows.empty:
        return None
    y = log_axis("median", "seconds of training until solved", rows, low="low", high="high",
                 label="~g")  # fmt: skip
    tooltip = ["task", "model", "variant", "distance", "median", "low", "high", "seeds", "trained"]
    return titled(
        against_distance(rows, trained, y, tooltip),
        "Time to a solution",
        f"median of {seeds_text(rows)} that solved the task, of {span(rows['trained'])} trained",
    )


def learning_curves(runs):
    """Accuracy on training batches against optimiser steps, at up to three distances of each
    experiment: median over seeds. A training that has ended keeps its last accuracy."""
    rows = rows_of_main_lines(runs, "learning")
    if rows.empty:
        return None
    rows = pd.concat([few_distances(group) for _, group in rows.groupby(EXPERIMENT, sort=False)])
    curves = [
        to_the_longest(group).assign(**dict(zip([*LINE, "train_distance"], key)))
        for key, group in rows.groupby([*LINE, "train_distance"], sort=False)
    ]
    rows = pd.concat(curves, ignore_index=True).sort_values([*EXPERIMENT, "train_distance"])
    trained_at = ", trained at " + rows["train_distance"].map("{:g}".format)
    lines = Lines(rows.assign(panel=rows["experiment"] + trained_at), "variant")
    curve = alt.Chart().mark_line(strokeWidth=1.5).encode(
        x=alt.X("step:Q", title="optimiser steps", axis=alt.Axis(tickCount=4)),
        y=accuracy_axis("accuracy in training"),
        color=colour_of(lines),
        strokeDash=dash_of(lines),
        tooltip=["panel:N", "model:N", "variant:N", "step:Q", "median:Q", "seeds:Q"],
    )  # fmt: skip
    charts = [panel_of([curve], panel, 250, 150) for panel in in_panels(lines.rows)]
    return titled(
        alt.concat(*charts, columns=3),
        "Learning curves",
        f"median of {seeds_text(rows)}; shortest, middle and longest distance of training",
    )


def few_distances(rows):
    """The rows of the shortest, the middle and the longest distance of training."""
    distances = sorted(rows["train_distance"].unique())
    chosen = [distances[0], distances[len(distances) // 2], distances[-1]]
    return rows[rows["train_distance"].isin(chosen)]


def to_the_longest(rows):
    """Median over the seeds of one line at MOST_POINTS steps or fewer, the last one among them, each
    seed's last accuracy kept to the end of the longest."""
    of_seed = rows.pivot_table(index="step", columns="seed", values="accuracy").sort_index().ffill()
    every = 1 + (len(of_seed) - 1) // MOST_POINTS
    of_seed = of_seed[::-1][::every][::-1]
    median, seeds = of_seed.median(axis=1), of_seed.notna().sum(axis=1)
    return pd.DataFrame({"step": of_seed.index, "median": median, "seeds": seeds})


def accuracy_vs_gap(runs):
    """Accuracy against the gap between an answer and its evidence, within sequences of one length:
    median over seeds, bars from least to most."""
    rows = rows_of_main_lines(runs, "gap")
    rows = over_seeds(rows, [*LINE, "distance", "first_gap"], "accuracy")
    if rows.empty:
        return None
    tokens = ", " + rows["distance"].map("{:g} tokens".format)
    rows = rows.sort_values([*EXPERIMENT, "distance"])
    lines = Lines(rows.assign(panel=rows["experiment"] + tokens), "variant")
    tooltip = ["task", "model", "variant", "distance", "first_gap", "median", "low", "high",
               "seeds"]  # fmt: skip
    charts = []
    for panel in in_panels(lines.rows):
        x = length_axis(panel["first_gap"], "first_gap", "gap (tokens, up to the next tick)")
        charts.append(panel_of_lines(lines, panel, x, accuracy_axis(), tooltip=tooltip, width=300,
                                     height=230))  # fmt: skip
    return titled(
        alt.concat(*charts, columns=3),
        "Accuracy against the gap within a sequence",
        f"median of {seeds_text(rows)}",
    )


def told_gradients(rows):
    """The rows of gradient.csv that tell something of a training, with column `log10`: without those
    of published settings, and of learned positions that training never had, which are as they were
    drawn at first."""
    rows = rows[rows["preset"] == ""]
    unseen = rows["variant"].str.startswith("learned") & (rows["distance"] >= rows["train_distance"])
    rows = rows[~unseen | (rows["stage"] == "init")]
    # Files of earlier versions have no logarithm; an empty one is below the smallest told.
    norm = rows["gradient_norm"].where(rows["gradient_norm"] > 0)
    log10 = rows["log10_gradient_norm"].astype(float).fillna(np.log10(norm.astype(float)))
    return rows.assign(log10=log10.fillna(-np.inf))


def gradient_vs_distance(runs):
    """Norm of the gradient that reaches a word, against how far back the word stands, of the models
    trained at the longest distance."""
    rows = told_gradients(at_longest(rows_of_main_lines(runs, "gradient"), LINE))
    rows = over_seeds(rows, [*LINE, "stage", "train_distance", "distance"], "log10")
    rows = rows[np.isfinite(rows["median"])]
    if rows.empty:
        return None
    rows = rows.assign(low=rows["low"].clip(lower=LEAST_LOG10))
    lines = Lines(rows.assign(panel=rows["experiment"]), "variant")
    tooltip = ["task", "model", "variant", "stage", "train_distance", "distance", "median", "low",
               "high", "seeds"]  # fmt: skip
    charts = []
    for experiment in in_panels(lines.rows):
        trained = experiment["train_distance"]
        # Files of earlier versions do not tell it.
        at = " or ".join(f"{distance:g}" for distance in sorted(trained.unique()))
        at = f", trained at {at}" if np.isfinite(trained.max()) else ""
        ends = [max(experiment["low"].min(), LOWEST_DRAWN_LOG10), experiment["high"].max()]
        y = alt.Y(
            "median:Q",
            title="gradient norm, as power of 10",
            scale=alt.Scale(domain=ends, nice=True, zero=False),
        )
        for stage in ("init", "trained"):
            panel = experiment[experiment["stage"] == stage]
            panel = panel[at_doublings(panel["distance"])]
            if panel.empty:
                continue
            panel = panel.assign(panel=f"{experiment['experiment'].iloc[0]}{at}, {STAGES[stage]}")
            if ends[0] < LEAST_FLOAT_LOG10:
                panel = panel.assign(reference=LEAST_FLOAT_LOG10)
            x = length_axis(panel["distance"], "distance", "distance (tokens)")
            charts.append(panel_of_lines(lines, panel, x, y, tooltip=tooltip, width=330, height=270,
                                         clip=True))  # fmt: skip
    vanishes = "; below the dashed line float32 is flushed to 0: there a training gets no gradient"
    return titled(
        alt.concat(*charts, columns=2),
        "Gradient norm against distance",
        f"median of {seeds_text(rows)}" + vanishes * (rows["low"].min() < LEAST_FLOAT_LOG10),
    )


def at_doublings(distances):
    """True for powers of two and for the longest distance: the points that a doubling axis has
    room for."""
    powers = 2.0 ** np.round(np.log2(distances.astype(float)))
    return (distances == powers) | (distances == distances.max())


def rows_of_main_lines(runs, name):
    """The table of all runs, of the main lines alone, with column `experiment`."""
    rows = gather(runs, lambda run: run.table(name))
    rows = rows[main_lines(rows, gather(runs, lambda run: run.table("recall")))]
    return layers_told(rows.assign(experiment=experiment_names(rows)))


def experiment_names(rows):
    """The preset or the task of each row, with what tells it from others of the name: set-up,
    regime, run."""
    names = rows["task"].where(rows["preset"] == "", rows["preset"])
    several_setups = rows.groupby(names)["setup"].transform("nunique") > 1
    several_regimes = rows.groupby(names)["regime"].transform("nunique") > 1
    told = names + (" " + rows["setup"]).where(several_setups, "")
    told += (" " + rows["regime"]).where(several_regimes | (rows["regime"] == "mixed"), "")
    return (rows["run"] + ": ").where(rows["of_several"].astype(bool), "") + told


def with_status(rows):
    """With `beyond` in column `status` for tests beyond the distances of training."""
    beyond = rows["distance"] > rows["train_distance"]
    return rows.assign(status=np.where(beyond, "beyond", "ok"))


def in_panels(rows):
    """The rows of each panel, in the order of their first ones."""
    return [panel for _, panel in rows.groupby("panel", sort=False)]


def panel_of(layers, rows, width, height):
    title = alt.Title(rows["panel"].iloc[0], fontSize=12, offset=6)
    return alt.layer(*layers).properties(data=rows, width=width, height=height, title=title)


def panel_of_lines(lines, rows, x, y, tooltip, width, height, clip=False):
    """Medians with bars from least to most; column `reference`, where there is one, as a grey dashed
    line against the distance."""
    reference = alt.X("distance:Q") if "reference" in rows else None
    layers = lines_with_intervals(lines, x, y, interval=("low", "high"), tooltip=tooltip,
                                  reference=reference, clip=clip)  # fmt: skip
    return panel_of(layers, rows, width, height)


def against_distance(rows, distances, y, tooltip):
    """Medians with bars from least to most against distance, in panels that each reach over its own
    of `distances` (grouped by panel); one with a single distance has a column for each model and
    variant instead. Column `reference`, where there is one, is drawn as a grey dashed line."""
    single = rows["panel"].map(distances.nunique()) == 1
    lines = Lines(rows, "variant", rows[~single] if not single.all() else rows)
    charts, columns = [], []
    for panel in in_panels(lines.rows):
        reached = distances.get_group(panel["panel"].iloc[0])
        if reached.nunique() == 1:
            at = f", distance {reached.iloc[0]:g}"
            columns.append(panel.assign(panel=panel["panel"] + at))
            continue
        x = length_axis(reached, "shown_distance", "distance (tokens)", margin=2**WIDEST_SHIFT)
        charts.append(panel_of_lines(lines, set_apart(panel), x, y, tooltip=tooltip, width=310,
                                     height=220))  # fmt: skip
    parts = [alt.concat(*charts, columns=3)] if charts else []
    parts += [rows_of_columns(lines, columns, y, tooltip)] if columns else []
    return alt.vconcat(*parts)


def set_apart(rows):
    """Sets the points that a panel has at one distance slightly apart, so that equal values stay
    visible: all together by half a doubling at most, far below the step of the axis."""
    place = rows.groupby(["line_model", "line_variety"], sort=False).ngroup()
    step = min(0.05, 2 * WIDEST_SHIFT / max(place.max(), 1))
    shift = 2.0 ** (step * (place - place.max() / 2))
    # Of 0 too, where the axis has one: it is as the logarithm of the distance + 1 then.
    offset = 1 if rows["distance"].min() == 0 else 0
    return rows.assign(shown_distance=(rows["distance"] + offset) * shift - offset)


def rows_of_columns(lines, panels, y, tooltip):
    """Panels with a column for each model and variant, as many in a row as MOST_COLUMNS has room for."""
    in_rows, room = [], 0
    for panel in panels:
        panel = panel.assign(column=panel["line_model"] + ", " + panel["variant"])
        needed = panel["column"].nunique() + 3
        if needed > room:
            in_rows.append([])
            room = MOST_COLUMNS
        in_rows[-1].append(columns_of_models(lines, panel, y, tooltip))
        room -= needed
    return alt.vconcat(*(alt.hconcat(*charts) for charts in in_rows))


def columns_of_models(lines, rows, y, tooltip):
    """One panel: a column for each `column`, a bar from least to most over each point."""
    by_rank = rows.sort_values("variant", key=lambda names: names.map(lines.rank))
    order = [
        f"{model}, {variant}" for model in lines.models for variant in by_rank["variant"].unique()
    ]
    base = alt.Chart().encode(
        x=alt.X("column:N", sort=order, title=None, axis=alt.Axis(labelAngle=-40, labelLimit=0)),
        color=colour_of(lines),
    )
    points = base.mark_point(size=60, strokeWidth=1.5, opacity=1).encode(
        y=y, tooltip=tooltip, **point_style(lines)
    )
    layers = [base.mark_rule(strokeWidth=1.4).encode(y="low:Q", y2="high:Q"), points]
    if "reference" in rows:
        grey = alt.Chart().mark_rule(strokeDash=[4, 3], color="#777777", strokeWidth=1.2)
        layers.insert(0, grey.encode(y="mean(reference):Q"))
    return panel_of(layers, rows, alt.Step(34), 250)
