"""What queries, keys and values are for: accuracy of attention with one part taken away at a time.

Runs in, Altair chart out; None where the runs hold nothing to draw.
"""

import altair as alt

from plotting.derived import over_seeds
from plotting.layout import accuracy_axis, gather, titled
from plotting.naming import ABLATIONS, COLOURS, percent, rank, seeds_text

KEYS = ["task", "setup", "variant", "distance"]


def medians(rows, more=()):
    """Median accuracy over seeds of each ablation, the whole first, with its name in words."""
    rows = rows[rows["status"] == "ok"]
    table = over_seeds(rows, [*more, *KEYS, "ablation", "chance"], "accuracy")
    place = table["ablation"].map(lambda name: rank(tuple(ABLATIONS), name))
    table = table.assign(place=place, words=table["ablation"].map(lambda name: ABLATIONS.get(name, name)))
    return table.sort_values([*more, *KEYS, "place"])


def bars(runs):
    """A panel for each task: a bar for each part taken away, a line over its seeds."""
    table = medians(gather(runs, lambda run: run.table("ablation")), ("run", "of_several"))
    if table.empty:
        return None
    prefix = (table["run"] + ": ").where(table["of_several"].astype(bool), "")
    distance = ", distance " + table["distance"].map("{:g}".format)
    table = table.assign(panel=prefix + table["task"] + ", " + table["variant"] + distance)
    charts = []
    for _, panel in table.groupby("panel", sort=False):
        base = alt.Chart().encode(
            x=alt.X("words:N", sort=list(ABLATIONS.values()), title=None,
                    axis=alt.Axis(labelAngle=-40, labelLimit=0)),
            tooltip=["task", "variant", "ablation", "median", "low", "high", "chance", "seeds"],
        )  # fmt: skip
        grey = alt.Chart().mark_rule(strokeDash=[4, 3], color="#777777", strokeWidth=1.2)
        layers = [
            base.mark_bar(color=COLOURS["attention"], opacity=0.75).encode(y=accuracy_axis()),
            base.mark_rule(strokeWidth=1.4).encode(y="low:Q", y2="high:Q"),
            grey.encode(y="mean(chance):Q"),
        ]
        title = alt.Title(panel["panel"].iloc[0], fontSize=12, offset=6)
        charts.append(
            alt.layer(*layers).properties(data=panel, width=alt.Step(44), height=250, title=title)
        )
    return titled(
        alt.concat(*charts, columns=3),
        "Attention without one of its parts",
        f"median of {seeds_text(table)}, lines from least to most; dashed line: guessing",
    )


def figures(run):
    """A line for each task: what the whole answers, and what is lost without each part."""
    table = medians(run.table("ablation"))
    lines = []
    for (task, setup, variant, distance), group in table.groupby(KEYS, sort=False):
        whole = group.loc[group["ablation"] == "none", "median"]
        parts = []
        for row in group.itertuples():
            lost = ""
            if row.ablation != "none" and len(whole):
                lost = f" ({100 * (row.median - whole.iloc[0]):+.1f} points)".replace("-", "−")
            parts.append(f"{row.words} {percent(row.median, 1)}{lost}")
        lines.append(
            f"{task}, attention {variant} at {distance:g}: {', '.join(parts)}; guessing"
            f" {percent(group['chance'].iloc[0], 1)}, {seeds_text(group)}"
        )
    return tuple(lines)
