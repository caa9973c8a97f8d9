"""A chart of the page: rows, controls that choose among them, how they are drawn, and the command that
measures them again.

The page holds rows and drawing once; page.js draws a plot for each run, of the rows that the controls
choose, and lists these rows as a table. Rows of several runs share axes and controls.
"""

import json
import math
import re
from dataclasses import dataclass, field
from html import escape

import altair as alt
import pandas as pd

from plotting.naming import COLOURS, MODEL_DASHES, MODELS, NAMES, SHAPES, rank
from plotting.page import markup

# Rows that a chart holds at most, so that the page stays below 3 MB: about 100 bytes a row. The full
# run's largest has 4,032.
MOST_ROWS = 5000

# What all charts share. Colours are the page's (page.css), so that they follow dark and light.
CONFIG = {
    "background": None,
    "font": "system-ui, Arial, Helvetica, Liberation Sans, sans-serif",
    "view": {"stroke": "var(--line)"},
    "axis": {
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "gridColor": "var(--grid)", "domainColor": "var(--muted)", "tickColor": "var(--muted)",
        "labelColor": "var(--ink)", "titleColor": "var(--ink)", "labelOverlap": True,
    },
    "legend": {
        "orient": "top", "direction": "horizontal", "title": None, "labelFontSize": 13,
        "labelColor": "var(--ink)", "symbolSize": 110, "symbolStrokeWidth": 2, "labelLimit": 0,
        "columnPadding": 18, "rowPadding": 4,
    },
    "text": {"color": "var(--ink)", "fontSize": 12},
    "rule": {"color": "var(--muted)"},
}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """A control: the column whose values it offers, what it is called, and which value is shown
    first, the first of these that there is. A row whose cell is empty belongs to every value."""

    column: str
    label: str
    first: tuple = ()


# Of charts whose rows may be of several number formats.
PRECISION = Choice("dtype", "precision", ("float32",))


@dataclass(frozen=True)
class Chart:
    """`columns` of the rows have headings in tables and tooltips; controls depend on those before
    them, so that there are rows for every choice. `spec` is Vega-Lite without data."""

    slug: str
    title: str
    reading: str
    rows: pd.DataFrame
    columns: dict
    choices: tuple
    spec: dict = field(repr=False)
    command: str = ""  # HTML
    held: str = ""  # what is the same in all rows

    def html(self, runs, is_folded=False):
        """The figure with a plot for each of the runs that has rows in it; behind its title where it
        is folded."""
        names = [run.name for run in runs if (self.rows["run"] == run.name).any()]
        name = f"chart-{self.slug}"
        plots = [
            (markup.paragraph(run, class_="run") if len(runs) > 1 else "")
            + markup.element("div", "", class_="plot", data_run=run)
            + '<p class="none" hidden>Nothing measured for this choice.</p>'
            for run in names
        ]
        title = markup.element("h3", escape(self.title), id=f"{name}-title")
        left_out = len(self.rows) - MOST_ROWS
        cut = f"{left_out} of {len(self.rows)} rows are left out: too many for one page." if left_out > 0 else ""
        reading = " ".join(part for part in (self.reading, self.held, cut) if part)
        parts = [
            "<figcaption>"
            + ("" if is_folded else title)
            + markup.paragraph(reading)
            + "</figcaption>",
            '<form class="choices" autocomplete="off"></form>',
            markup.element("div", "".join(f'<div class="of-run">{plot}</div>' for plot in plots),
                           class_="plots"),
            '<p class="state" role="status"></p>',
            "<noscript><p>Charts need JavaScript; the PNG and SVG files beside this page do"
            " not.</p></noscript>",
            markup.folded("These figures as a table",
                          markup.scrolling("", f"{self.title}, as a table"), class_="rows"),
            self.command,
            markup.element("script", markup.inline_json(self.data(runs)), type="application/json"),
        ]  # fmt: skip
        figure = markup.element("figure", "\n".join(part for part in parts if part), class_="chart",
                                id=name, aria_labelledby=f"{name}-title")  # fmt: skip
        return markup.element("details", f"<summary>{title}</summary>{figure}") if is_folded else figure

    def data(self, runs):
        """What page.js needs, for JSON."""
        rows = self.rows.head(MOST_ROWS)
        used = ["run", *(choice.column for choice in self.choices), *self.columns]
        in_command = re.findall(r'data-column="(\w+)"', self.command)
        used = list(dict.fromkeys([*used, *self.fields(), *in_command]))
        return {
            "columns": used,
            "rows": [[cell(value) for value in row] for row in rows[used].itertuples(index=False)],
            "headings": self.columns,
            "choices": [
                {"column": choice.column, "label": choice.label,
                 "first": [str(cell(value)) for value in choice.first]}
                for choice in self.choices
            ],
            "several": len(runs) > 1,
            "spec": self.spec,
        }  # fmt: skip

    def fields(self):
        """The columns of the rows that the drawing names."""
        text = json.dumps(self.spec)
        return [name for name in self.rows.columns
                if f'"{name}"' in text or f"datum.{name}" in text]  # fmt: skip


def cell(value):
    """A cell for JSON: numbers to five digits, None where there is no value."""
    if value is None or value is pd.NA or value != value:
        return None
    if isinstance(value, str):
        return value
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if value in (float("inf"), float("-inf")):
            return None
        value = float(f"{value:.5g}")
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    return value


def rows_of():
    """The data of every chart, which page.js sets."""
    return alt.Chart(alt.NamedData(name="rows"))


def as_spec(chart, height):
    """The chart for page.js: as wide as its place, without data. `height` is in pixels, or a column and
    how high each of its values is: page.js counts those that are shown."""
    by_rows = isinstance(height, tuple)
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    chart = chart.properties(width="container", height=100 if by_rows else height, autosize=fit)
    spec = chart.to_dict()
    for unused in ("$schema", "config", "datasets"):
        spec.pop(unused, None)
    if by_rows:
        spec["usermeta"] = {"column": height[0], "pixels": height[1]}
    return spec


def tooltips(columns):
    return [alt.Tooltip(f"{name}:N", title=heading) for name, heading in columns.items()]


def choices_of(rows, *candidates):
    """Of the candidates those that have something to choose, and in words what all rows share of
    the others; rows sorted so that values come in order."""
    several = tuple(one for one in candidates if rows[one.column].nunique() > 1)
    same = [
        f"{one.label} {cell(rows[one.column].dropna().iloc[0])}"
        for one in candidates
        if rows[one.column].nunique() == 1
    ]
    held = f"The same in all: {'; '.join(same)}." if same else ""
    return several, held


def in_order(rows, choices, *keys):
    """The rows sorted by the controls, then by model, then by the other keys."""
    order = [choice.column for choice in choices if choice.column in rows]
    rows = rows.assign(model_place=[rank(MODELS, model) for model in rows["model"]])
    return rows.sort_values([*order, "model_place", *keys], kind="stable")


def model_scale(models):
    """The models' names, colours (those of page.css), shapes and dashes, in the order of legends."""
    models = sorted(set(models), key=lambda name: (rank(MODELS, name), name))
    return {
        "models": models,
        "names": [NAMES.get(model, model) for model in models],
        "colours": [f"var(--{model})" if model in COLOURS else "var(--muted)" for model in models],
        "shapes": [SHAPES.get(model, "cross") for model in models],
        "dashes": [MODEL_DASHES.get(model, [1, 0]) for model in models],
    }


def legend():
    """Above the chart, in two columns on a phone."""
    return alt.Legend(columns=alt.ExprRef("width < 420 ? 2 : 6"))


def doubling_axis(column, values, title, padding=14):
    """A logarithmic axis with ticks at powers of two among the values; 0 has a place of its own."""
    ticks = sorted({float(value) for value in values if value == value})
    if ticks and ticks[0] <= 0:
        scale = alt.Scale(type="symlog", constant=1, nice=False, padding=padding)
    else:
        scale = alt.Scale(type="log", base=2, nice=False, padding=padding,
                          domain=[ticks[0], ticks[-1]] if len(ticks) > 1 else alt.Undefined)  # fmt: skip
    return alt.X(f"{column}:Q", title=title, scale=scale,
                 axis=alt.Axis(values=ticks, format="~f"))  # fmt: skip


def ratio_axis(column, title, low, high):
    """A logarithmic axis with ticks at powers of two, 1 among them."""
    low, high = min(low, 1), max(high, 1)
    least, most = math.floor(math.log2(low)), math.ceil(math.log2(high))
    every = 1 + (most - least) // 8
    return alt.Y(
        f"{column}:Q",
        title=title,
        scale=alt.Scale(type="log", base=2, domain=[low / 1.1, high * 1.1], nice=False),
        axis=alt.Axis(
            values=[2.0**power for power in range(least, most + 1) if power % every == 0],
            labelExpr="datum.value < 1 ? '×1/' + 1 / datum.value : '×' + datum.value",
        ),
    )


def lines_by_model(rows, x, y, columns, interval=None, reference=None):
    """A line with points a model, with a bar over the columns `interval` at each point and hollow
    points where a row is noisy; `reference` is a dashed horizontal line."""
    scale = model_scale(rows["model"])
    model = alt.Color("name:N", scale=alt.Scale(domain=scale["names"], range=scale["colours"]),
                      legend=legend())  # fmt: skip
    base = rows_of().encode(x=x, color=model)
    # By other texts than the names, whose legend shows no dashes.
    dash = alt.StrokeDash("model:N", legend=None,
                          scale=alt.Scale(domain=scale["models"], range=scale["dashes"]))  # fmt: skip
    shape = alt.Shape("name:N", scale=alt.Scale(domain=scale["names"], range=scale["shapes"]))
    layers = [base.mark_line(strokeWidth=2).encode(y=y, strokeDash=dash)]
    if reference is not None:
        layers.insert(0, rows_of().mark_rule(strokeDash=[5, 4]).encode(y=alt.datum(reference)))
    if interval is not None:
        low, high = interval
        layers.append(base.mark_rule(strokeWidth=1.5).encode(y=f"{low}:Q", y2=f"{high}:Q",
                                                             color=model))  # fmt: skip
    fill = alt.condition("datum.status === 'noisy'", alt.value("var(--paper)"), model)
    layers.append(
        base.mark_point(size=70, strokeWidth=2, opacity=1).encode(
            y=y, shape=shape, fill=fill, tooltip=tooltips(columns)
        )
    )
    return alt.layer(*layers)
