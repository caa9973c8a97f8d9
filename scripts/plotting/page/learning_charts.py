"""Charts of what models learn: which seeds solve a task, what they recall of pairs, memory against
recall, gradients, attention without one of its parts. Runs in, Chart out; None where the runs hold
nothing to draw."""

import altair as alt
import numpy as np

from plotting.derived import (
    bare_layers,
    layers_told,
    outcomes,
    over_seeds,
)
from plotting.layout import gather
from plotting.naming import (
    ABLATIONS,
    OUTCOMES,
    PLAIN_VARIANTS,
    STAGES,
    evidence_of,
    model_name,
    rank,
)
from plotting.page import commands
from plotting.page.chart import (
    Chart,
    Choice,
    as_spec,
    choices_of,
    doubling_axis,
    in_order,
    lines_by_model,
    model_scale,
    rows_of,
    tooltips,
)
from plotting.recall import told_gradients

SETUP = Choice("setup", "set-up", ("causal",))
TRAINING = Choice("trained_as", "training", ("one model a distance",))
SHARE = ["#fbe3d0", "#f7f7f7", "#a6cee8"]
KEYS = ["run", "task", "setup", "regime", "trained_as", "model", "variant", "train_distance",
        "distance"]  # fmt: skip


def tested(runs, evidence=None):
    """The rows of recall.csv that were trained and tested, of tasks that are evidence for `evidence`,
    but for published settings, with how they were trained in words."""
    rows = gather(runs, lambda run: run.table("recall"))
    rows = rows[(rows["status"] == "ok") & rows["accuracy"].notna() & (rows["preset"] == "")]
    rows = rows[rows["distance"].notna() & rows["train_distance"].notna()]
    if evidence is not None:
        rows = rows[evidence_of(rows) == evidence]
    if rows.empty:
        return rows
    own = rows["distance"] == rows["train_distance"]
    alone = "trained at " + rows["train_distance"].map("{:g}".format) + " alone"
    how = alone.where(~own, "one model a distance")
    how = how.where(rows["regime"] != "mixed", "one model for all distances")
    return layers_told(rows).assign(trained_as=how)


def line_names(rows):
    """"LSTM, chrono" by row; the plain variant has none."""
    plain = rows["variant"].isin(PLAIN_VARIANTS)
    return rows["model"].map(model_name) + (", " + rows["variant"]).where(~plain, "")


def counted(rows):
    """A row a line and distance: seeds that solve, and the median accuracy."""
    table = outcomes(rows, KEYS)
    accuracy = rows.groupby(KEYS, as_index=False, dropna=False).agg(
        accuracy=("accuracy", "median"), least=("accuracy", "min"), most=("accuracy", "max"),
        chance=("chance", "median"),
    )  # fmt: skip
    table = table.merge(accuracy, on=KEYS)
    words = (*OUTCOMES, "unsolved")
    return table.assign(
        name=line_names(table),
        told=[f"{row.solved:.0f}/{row.seeds:.0f}" for row in table.itertuples()],
        came_to=[", ".join(f"{getattr(row, word):.0f} {word}" for word in words if getattr(row, word))
                 for row in table.itertuples()],
    )  # fmt: skip


def solved(runs, evidence, slug, title, reading):
    """Seeds that solve a task: a line a model and start, a column a distance."""
    rows = tested(runs, evidence)
    if rows.empty:
        return None
    rows = counted(rows)
    choices, held = choices_of(rows, Choice("task", "task", ("first_token", "word_problem")), SETUP,
                               TRAINING)  # fmt: skip
    rows = in_order(rows, choices, "variant", "distance")
    columns = {"name": "model", "distance": "distance", "told": "seeds that solve",
               "low": "share from", "high": "share to", "came_to": "outcomes",
               "accuracy": "median accuracy", "chance": "guessing"}  # fmt: skip
    base = rows_of().encode(
        x=alt.X("distance:O", title="distance (tokens)", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=190)),
        tooltip=tooltips(columns),
    )
    cells = base.mark_rect(stroke="var(--paper)", strokeWidth=2).encode(
        color=alt.Color("share:Q", legend=None,
                        scale=alt.Scale(domain=[0, 0.5, 1], range=SHARE, interpolate="rgb"))
    )  # fmt: skip
    numbers = base.mark_text(fontSize=13, color="#111111").encode(text="told:N")
    return Chart(slug, title, reading, rows, columns, choices, as_spec(cells + numbers, ("name", 28)),
                 commands.recall(slug, rows), held)  # fmt: skip


def pairs(runs, evidence):
    """What is recalled of pairs: a bar a model, start and control, with the guess."""
    rows = tested(runs, evidence)
    if rows.empty:
        return None
    rows = counted(rows)
    rows = rows.assign(model_named=rows["model"].map(model_name))
    farthest = Choice("distance", "distance", (rows["distance"].max(),))
    choices, held = choices_of(rows, Choice("task", "task", ("mqar",)), SETUP, TRAINING, farthest)
    rows = in_order(rows, choices, "variant")
    columns = {"name": "model", "accuracy": "right answers, median", "least": "least seed",
               "most": "best seed", "told": "seeds that solve", "chance": "guessing",
               "distance": "distance"}  # fmt: skip
    scale = model_scale(rows["model"])
    base = rows_of().encode(y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=190)),
                            tooltip=tooltips(columns))  # fmt: skip
    x = alt.X("accuracy:Q", title="share of right answers", scale=alt.Scale(domain=[0, 1]),
              axis=alt.Axis(format=".0%", tickCount=5))  # fmt: skip
    chart = alt.layer(
        base.mark_bar(height={"band": 0.55}).encode(
            x=x,
            color=alt.Color("model_named:N", legend=None, scale=alt.Scale(
                domain=scale["names"], range=scale["colours"]))),
        base.mark_rule(color="var(--ink)", strokeWidth=2).encode(x="least:Q", x2="most:Q"),
        rows_of().mark_rule(strokeDash=[5, 4], color="var(--ink)").encode(x="mean(chance):Q"),
    )  # fmt: skip
    return Chart(
        "pairs",
        "Right answers of questions for a key's value",
        "A sequence lists pairs of key and value, then asks for values. Bars are medians over seeds, lines"
        " reach from the worst to the best, the dashed line is a guess among the values in the sequence.",
        rows, columns, choices, as_spec(chart, ("name", 30)), commands.recall("pairs", rows), held,
    )  # fmt: skip


def gradients(runs):
    """How strongly the answer pulls on words far back, before and after training."""
    rows = told_gradients(gather(runs, lambda run: run.table("gradient")))
    rows = rows[np.isfinite(rows["log10"]) & rows["distance"].gt(0)]
    if rows.empty:
        return None
    keys = ["run", "task", "stage", "model", "variant", "layers", "distance"]
    rows = over_seeds(rows, keys, "log10")
    rows = layers_told(rows.assign(block="", regime="", setup="", preset=""))
    rows = rows.assign(
        name=rows["model"].map(model_name),
        start=rows["variant"].where(rows["model"] != "attention", None),
        stage=rows["stage"].map(STAGES).fillna(rows["stage"]),
        drawn=rows["median"].clip(lower=LOWEST),
    )  # fmt: skip
    choices, held = choices_of(rows, Choice("task", "task", ("first_token",)), Choice("stage", "stage"),
                               Choice("start", "recurrent start", ("default",)))  # fmt: skip
    rows = in_order(rows, choices, "variant", "distance")
    columns = {"name": "model", "variant": "start or positions", "distance": "distance",
               "median": "log₁₀ of the gradient", "low": "least seed", "high": "largest seed",
               "seeds": "seeds"}  # fmt: skip
    chart = lines_by_model(
        rows.assign(status="ok"),
        doubling_axis("distance", rows["distance"], "distance of the word (tokens)"),
        alt.Y("drawn:Q", title="log₁₀ of the gradient's norm", scale=alt.Scale(zero=False)),
        columns,
    )
    return Chart(
        "gradient",
        "Gradient that reaches a word, against its distance",
        "Level: distance does not matter. A steep fall: a first step of training changes little for such"
        f" words. Values below 10^{LOWEST} are drawn there.",
        rows.assign(status="ok"), columns, choices, as_spec(chart, 280),
        commands.html("gradient", "recall", [
            *commands.of_columns(rows, task="task", model="model", variant="variant"),
            ("gradient-steps", commands.listed([rows["distance"].max()]), None)]),
        held,
    )  # fmt: skip


# Where the axis of gradients ends: lines that go on below would squeeze all others.
LOWEST = -40


def frontier(runs):
    """What is recalled, against the bytes carried from token to token."""
    rows = gather(runs, lambda run: run.table("frontier"))
    rows = rows[(rows["status"] == "ok") & rows["accuracy"].notna() & rows["state_bytes"].gt(0)]
    if rows.empty:
        return None
    keys = ["run", "task", "model", "variant", "pairs", "width", "state_bytes"]
    rows = over_seeds(rows, keys, "accuracy")
    rows = rows.assign(name=rows["model"].map(model_name), status="ok")
    choices, held = choices_of(rows, Choice("pairs", "pairs"))
    rows = in_order(rows, choices, "state_bytes")
    columns = {"name": "model", "width": "width", "state_bytes": "bytes carried",
               "median": "right answers", "low": "least seed", "high": "best seed", "seeds": "seeds"}  # fmt: skip
    chart = lines_by_model(
        rows,
        alt.X("state_bytes:Q", title="bytes carried from token to token", axis=alt.Axis(format="~s"),
              scale=alt.Scale(type="log", base=2, nice=False, padding=14)),
        alt.Y("median:Q", title="share of right answers", axis=alt.Axis(format=".0%"),
              scale=alt.Scale(domain=[0, 1.03], nice=False)),
        columns,
        interval=("low", "high"),
    )  # fmt: skip
    return Chart(
        "frontier",
        "Recall against memory",
        "A recurrent network carries a state of fixed size, attention every key and value so far. Along a"
        " line the model gets wider. Bars reach from the worst seed to the best.",
        rows, columns, choices, as_spec(chart, 280),
        commands.box("build/release/seqbench recall --config scripts/sweeps/recall-frontier.cfg --out"
                     " results/again-frontier"),
        held,
    )  # fmt: skip


def ablations(runs):
    """Attention whole, and with one part taken away at a time."""
    rows = gather(runs, lambda run: run.table("ablation"))
    rows = rows[(rows["status"] == "ok") & rows["accuracy"].notna()]
    if rows.empty:
        return None
    keys = ["run", "task", "variant", "distance", "ablation", "chance"]
    rows = over_seeds(rows, keys, "accuracy")
    words = list(ABLATIONS)
    rows = rows.assign(
        model="attention", name=rows["ablation"].map(ABLATIONS).fillna(rows["ablation"]),
        place=[rank(words, word) for word in rows["ablation"]],
    )  # fmt: skip
    choices, held = choices_of(rows, Choice("task", "task"), Choice("distance", "distance"))
    rows = in_order(rows, choices, "place")
    columns = {"name": "attention", "median": "right answers, median", "low": "least seed",
               "high": "best seed", "chance": "guessing", "seeds": "seeds"}  # fmt: skip
    base = rows_of().encode(y=alt.Y("name:N", title=None, sort=None), tooltip=tooltips(columns))
    x = alt.X("median:Q", title="share of right answers", scale=alt.Scale(domain=[0, 1]),
              axis=alt.Axis(format=".0%", tickCount=5))  # fmt: skip
    chart = alt.layer(
        base.mark_bar(color="var(--attention)", height={"band": 0.55}).encode(x=x),
        base.mark_rule(color="var(--ink)", strokeWidth=2).encode(x="low:Q", x2="high:Q"),
        rows_of().mark_rule(strokeDash=[5, 4], color="var(--ink)").encode(x="mean(chance):Q"),
    )
    return Chart(
        "ablation",
        "Attention without one of its parts",
        "Trained and tested as the whole; what is lost is what the part is for. Bars are medians over"
        " seeds, lines from the worst to the best; the dashed line is a guess.",
        rows, columns, choices, as_spec(chart, ("name", 30)),
        commands.box("build/release/seqbench recall --config scripts/sweeps/recall-ablation.cfg --out"
                     " results/again-ablation"),
        held,
    )  # fmt: skip


def agreement(runs):
    """How many cases of each fast kernel equal the reference in double."""
    rows = gather(runs, lambda run: bare_layers(run.table("throughput")))
    rows = rows[rows["status"] != "skipped"]
    if rows.empty:
        return None
    rows = rows.assign(wrong=(rows["status"] == "failed").astype(int), cases=1)
    rows = rows.groupby(["run", "model", "kernel"], as_index=False)[["cases", "wrong"]].sum()
    rows = rows.assign(
        equal=rows["cases"] - rows["wrong"],
        name=rows["model"].map(model_name) + ", " + rows["kernel"],
        told=[f"{row.cases - row.wrong} of {row.cases}" for row in rows.itertuples()],
    )  # fmt: skip
    rows = in_order(rows, (), "kernel")
    columns = {"name": "kernel", "told": "cases equal to the reference"}
    base = rows_of().encode(y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=190)),
                            tooltip=tooltips(columns))  # fmt: skip
    most = int(rows["cases"].max())
    axis = alt.Axis(tickMinStep=1, format="d", tickCount=5)
    chart = alt.layer(
        base.mark_bar(color="var(--muted)", height={"band": 0.6}).encode(
            x=alt.X("cases:Q", title="cases checked before they were timed", axis=axis,
                    scale=alt.Scale(domain=[0, most * 1.3], nice=False))),
        base.mark_bar(color="var(--attention)", height={"band": 0.6}).encode(x="equal:Q"),
        base.mark_text(align="left", dx=6).encode(x="cases:Q", text="told:N"),
    )  # fmt: skip
    return Chart(
        "agreement",
        "Cases whose result equals the formula in double precision",
        "Every case is computed once more by the readable formula in double precision before it is timed."
        " A grey rest is cases that differ by more than the bound derived for rounding.",
        rows, columns, (), as_spec(chart, ("name", 30)),
        commands.box("build/release/seqbench throughput --length 64..1024 --out results/again-agreement"),
    )  # fmt: skip
