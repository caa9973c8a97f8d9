"""Charts of trainings on real text. Runs in, Chart out; None where the runs hold nothing to draw."""

import altair as alt
import pandas as pd

from plotting import text
from plotting.derived import over_seeds
from plotting.naming import model_name
from plotting.page import commands
from plotting.page.chart import (
    PRECISION,
    Chart,
    Choice,
    as_spec,
    choices_of,
    doubling_axis,
    in_order,
    lines_by_model,
)

COMMAND = [("text", "bible"), ("model", "attention,lstm,mingru"), ("width", "64"), ("length", "128"),
           ("batch", "16"), ("budget", "15s"), ("validations", "5")]  # fmt: skip


def losses(runs):
    """Loss on text that training never saw, against seconds or tokens of training."""
    rows = text.validated(runs)
    if rows.empty:
        return None
    keys = [*text.LINE, "step"]
    medians = over_seeds(rows, keys, "valid_loss")
    at = rows.groupby(keys, as_index=False, dropna=False)[["seconds", "tokens"]].median()
    rows = medians.merge(at, on=keys)
    rows = pd.concat([rows.assign(against=name, at=rows[name]) for name in ("seconds", "tokens")])
    rows = rows[rows["at"].gt(0)]
    if rows.empty:
        return None
    rows = rows.assign(name=rows["model"].map(model_name), status="ok")
    choices, held = choices_of(rows, Choice("setting", "setting"),
                               Choice("against", "against", ("seconds",)))  # fmt: skip
    rows = in_order(rows, choices, "variant", "at")
    columns = {"name": "model", "variant": "start or positions", "seconds": "seconds", "tokens": "tokens",
               "median": "loss (nats a token)", "low": "least seed", "high": "largest seed"}  # fmt: skip
    chart = lines_by_model(
        rows,
        alt.X("at:Q", title="of training", axis=alt.Axis(format="~s", tickCount=6),
              scale=alt.Scale(type="log", nice=False, padding=14)),
        alt.Y("median:Q", title="loss (nats a token)", scale=alt.Scale(zero=False)),
        columns,
        interval=("low", "high"),
    )  # fmt: skip
    return Chart(
        "loss",
        "Real text: loss against seconds of training",
        "How well each model predicts the next character of text that training never saw; lower is better."
        " Against seconds the speed of a step counts, against tokens only what is learned from each.",
        rows, columns, choices, as_spec(chart, 280),
        commands.of_record("loss", runs[0], "train", COMMAND), held,
    )  # fmt: skip


def by_position(runs):
    """What more context is worth: loss by how many tokens stand before."""
    rows = text.by_position(runs)
    if rows.empty:
        return None
    rows = rows.assign(name=rows["model"].map(model_name), status="ok")
    choices, held = choices_of(rows, Choice("length", "window"), PRECISION)
    rows = in_order(rows, choices, "variant", "first")
    columns = {"name": "model", "first": "position from", "median": "loss (nats a token)",
               "low": "least seed", "high": "largest seed", "seeds": "seeds"}  # fmt: skip
    chart = lines_by_model(
        rows,
        doubling_axis("first", rows["first"], "tokens read so far"),
        alt.Y("median:Q", title="loss (nats a token)", scale=alt.Scale(zero=False)),
        columns,
        interval=("low", "high"),
    )
    return Chart(
        "position",
        "Real text: what more context is worth",
        "A line that goes on falling belongs to a model that makes use of more context. Windows longer"
        " than those of training tell what it makes of lengths that it has not seen.",
        rows, columns, choices, as_spec(chart, 280),
        commands.of_record("position", runs[0], "train", COMMAND), held,
    )  # fmt: skip
