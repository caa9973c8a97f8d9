"""Plots of trainings on a text: loss against seconds and tokens, what a level takes, what context is
worth.

One function a plot: runs in, Altair chart out; None where the runs hold nothing to draw.
"""

import altair as alt
import numpy as np
import pandas as pd

from plotting.layout import (
    colour_of,
    gather,
    length_axis,
    lines_with_intervals,
    ratio_axis,
    titled,
)
from plotting.derived import over_seeds
from plotting.naming import Lines, model_name, seeds_text

LINE = ["run", "setting", "model", "variant"]


def loss_vs_seconds(runs):
    """Validation loss against seconds of training and against tokens: median over seeds, bars from
    least to most."""
    rows = validated(runs)
    if rows.empty:
        return None
    # Seeds validate at the same steps, in times of their own.
    keys = [*LINE, "step"]
    medians = over_seeds(rows, keys, "valid_loss")
    at = rows.groupby(keys, as_index=False, dropna=False)[["seconds", "tokens"]].median()
    lines = Lines(medians.merge(at, on=keys), "variant")
    tooltip = ["model", "variant", "step", "seconds", "tokens", "median", "low", "high", "seeds"]
    charts = []
    for _, panel in lines.rows.groupby(["run", "setting"], sort=False):
        for column in ("seconds", "tokens"):
            x = alt.X(f"{column}:Q", title=f"{column} of training",
                      scale=alt.Scale(type="log", nice=False, padding=12),
                      axis=alt.Axis(format="~s", labelOverlap=True))  # fmt: skip
            y = alt.Y("median:Q", title="validation loss (nats a token)",
                      scale=alt.Scale(zero=False))  # fmt: skip
            charts.append(panel_of(lines, panel, x, y, tooltip))
    return titled(
        alt.concat(*charts, columns=2),
        "Loss against seconds and tokens",
        f"over the whole last tenth of the text; median of {seeds_text(medians)}",
    )


def time_to_level(runs):
    """What each model takes to the lowest loss that all reach, as ratios to attention: seconds, and
    its parts, tokens and seconds a token."""
    rows = levels(runs)
    if rows.empty:
        return None
    parts = {"seconds": "seconds", "tokens": "tokens", "seconds_a_token": "seconds a token"}
    rows = rows.melt(id_vars=["run", "setting", "model", "variant", "level"], value_vars=list(parts),
                     var_name="part", value_name="ratio")  # fmt: skip
    rows = rows.assign(part=rows["part"].map(parts), name=rows["model"].map(model_name))
    lines = Lines(rows, "variant")
    charts = []
    for _, panel in lines.rows.groupby(["run", "setting"], sort=False):
        chart = alt.Chart(panel).mark_point(size=70, filled=True).encode(
            x=alt.X("part:N", sort=list(parts.values()), title=None, axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("name:N"),
            y=ratio_axis("ratio", "that of attention", panel, "ratio", "ratio"),
            color=colour_of(lines),
            shape=alt.Shape("line_model:N", scale=alt.Scale(domain=lines.models, range=lines.shapes)),
            tooltip=["model", "variant", "part", "ratio", "level"],
        )
        title = f"{panel['setting'].iloc[0]}, to {panel['level'].iloc[0]:.3g} nats"
        charts.append(chart.properties(width=330, height=270, title=alt.Title(title, fontSize=12)))
    return titled(alt.concat(*charts, columns=2), "Seconds to a level",
                  "ratio to attention: seconds = tokens × seconds a token; median over seeds")  # fmt: skip


def by_position(runs):
    """The losses of context.csv, median over seeds, as means over doublings of the position that
    begin at `first`: single positions jump from one to the next."""
    rows = gather(runs, lambda run: run.table("context"))
    rows = rows[rows["loss"].notna() & rows["position"].gt(0)]
    rows = rows.assign(first=2 ** np.floor(np.log2(rows["position"].astype(float))))
    keys = ["run", "of_several", "model", "variant", "dtype", "length", "first"]
    rows = rows.groupby([*keys, "seed"], as_index=False, dropna=False)["loss"].mean()
    return over_seeds(rows, keys, "loss")


def loss_by_position(runs):
    """Loss against the position in the context, a panel for each length of window."""
    rows = by_position(runs)
    if rows.empty:
        return None
    lines = Lines(rows.assign(status="ok"), "variant")
    charts = []
    for (run, length, dtype), panel in lines.rows.groupby(["run", "length", "dtype"], sort=False):
        name = f"windows of {length:g} tokens" + (f", {dtype}" if dtype != "float32" else "")
        panel = panel.assign(setting=f"{run}: {name}" if panel["of_several"].any() else name)
        x = length_axis(panel["first"], "first", "position in the window, from")
        y = alt.Y("median:Q", title="loss (nats a token)", scale=alt.Scale(zero=False))
        tooltip = ["model", "variant", "first", "median", "low", "high", "seeds"]
        charts.append(panel_of(lines, panel, x, y, tooltip))
    return titled(
        alt.concat(*charts, columns=3),
        "Loss by position in the context",
        f"mean from each tick to just below the double; median of {seeds_text(rows)}",
    )


def panel_of(lines, rows, x, y, tooltip):
    layers = lines_with_intervals(lines, x, y, interval=("low", "high"), tooltip=tooltip)
    title = alt.Title(rows["setting"].iloc[0], fontSize=12, offset=6)
    return alt.layer(*layers).properties(data=rows, width=330, height=270, title=title)


def validated(runs):
    """The rows of training.csv that have a validation, with the setting in words."""
    rows = gather(runs, lambda run: run.table("training"))
    rows = rows[rows["valid_loss"].notna()]
    if rows.empty:
        return rows
    own = [f"{row.layers:g} blocks, context {row.length:g}, batch {row.batch:g}"
           for row in rows.itertuples()]  # fmt: skip
    own = pd.Series(own, index=rows.index)
    words = own.where(rows["preset"] == "", rows["preset"])
    words += np.where(rows["match"] == "parameters", ", equal parameters", "")
    words += precision_told(rows)
    words += np.where(rows["stateful"].astype(bool), ", state carried over", "")
    words = (rows["run"] + ": ").where(rows["of_several"].astype(bool), "") + words
    return rows.assign(setting=words, status="ok")


def precision_told(rows):
    """", bfloat16" where it is not float32."""
    return (", " + rows["dtype"]).where(rows["dtype"] != "float32", "")


def levels(runs):
    """Of each model and variant beside attention's: seconds, tokens and seconds a token to the lowest
    level that all lines of the setting reach, divided by attention's; medians over seeds."""
    rows = validated(runs)
    found = []
    for setting, of_setting in rows.groupby(["run", "setting"], sort=False) if len(rows) else ():
        lowest = of_setting.groupby(["model", "variant", "seed"])["valid_loss"].min()
        level = lowest.max()
        crossings = [
            {"model": model, "variant": variant, "seed": seed, **crossing(training, level)}
            for (model, variant, seed), training in of_setting.groupby(["model", "variant", "seed"])
        ]
        medians = pd.DataFrame(crossings).groupby(["model", "variant"], as_index=False)[
            ["seconds", "tokens"]].median()  # fmt: skip
        medians = medians.assign(seconds_a_token=medians["seconds"] / medians["tokens"])
        attention = medians[medians["model"] == "attention"]
        if attention.empty or len(medians) == 1:
            continue
        for row in medians.to_dict("records"):
            if row["model"] == "attention":
                continue
            ratios = {part: row[part] / attention[part].iloc[0]
                      for part in ("seconds", "tokens", "seconds_a_token")}  # fmt: skip
            found.append({"run": setting[0], "setting": setting[1], "model": row["model"],
                          "variant": row["variant"], "level": level, **ratios})  # fmt: skip
    return pd.DataFrame(found)


def crossing(training, level):
    """Seconds and tokens at which the validation loss first is at the level, interpolated between
    validations on logarithmic axes."""
    training = training.sort_values("step")
    losses = training["valid_loss"].to_numpy()
    place = int(np.argmax(losses <= level))
    at = {}
    for column in ("seconds", "tokens"):
        values = training[column].to_numpy(dtype=float)
        if place == 0 or losses[place] == losses[place - 1]:
            at[column] = values[place]
            continue
        share = (losses[place - 1] - level) / (losses[place - 1] - losses[place])
        before, behind = np.log(values[place - 1]), np.log(values[place])
        at[column] = float(np.exp(before + share * (behind - before)))
    return at
