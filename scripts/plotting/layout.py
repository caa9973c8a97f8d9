"""What plots share: theme, axes, lines with intervals, panels."""

import math
import warnings

import altair as alt
import pandas as pd

# The limit is meant for notebooks; a full run's tables have more rows.
alt.data_transformers.disable_max_rows()
# Panels beside each other share the selection "picked", as they are meant to.
warnings.filterwarnings("ignore", message="Automatically deduplicated selection parameter")

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


def gather(runs, rows_of):
    """One table of all runs' rows, with the run's name in column `run`, and in `of_several` whether
    there are more runs than one."""
    several = len(runs) > 1
    tables = [rows_of(run).assign(run=run.name, of_several=several) for run in runs]
    return pd.concat([t for t in tables if not t.empty] or tables[:1], ignore_index=True)


def accuracy_axis(title="accuracy (share of answers)"):
    return alt.Y("median:Q", title=title, scale=alt.Scale(domain=[0, 1.05], nice=False),
                 axis=alt.Axis(format=".0%"))  # fmt: skip


def length_axis(values, column="seq_len", title="sequence length (tokens)", margin=None):
    """A doubling axis with ticks at measured values, eight at most. It reaches from the least to the
    largest of them, and by a factor `margin` further, or as far as what is drawn."""
    ticks = sorted(int(value) for value in values.unique())
    # A logarithmic axis has no room for 0: there it is that of the value + 1.
    offset = 1 if ticks[0] == 0 else 0
    scale = {"type": "symlog", "constant": 1} if offset else {"type": "log", "base": 2}
    if margin is not None:
        ends = ((ticks[0] + offset) / margin - offset, (ticks[-1] + offset) * margin - offset)
        scale["domain"] = list(ends)
    return alt.X(
        f"{column}:Q",
        title=title,
        scale=alt.Scale(**scale, padding=12, nice=False),
        axis=alt.Axis(values=ticks[:: 1 + (len(ticks) - 1) // 8], format="d", labelOverlap=True),
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


def dash_of(lines):
    """The dash of each variety, with a legend where it tells more than the model does."""
    legend = alt.Legend(orient="bottom", symbolType="stroke", symbolSize=500, columns=7)
    return alt.StrokeDash(
        "line_variety:N",
        scale=alt.Scale(domain=lines.varieties, range=lines.dashes),
        legend=legend if lines.has_varieties else None,
    )


def colour_of(lines):
    return alt.Color("line_model:N", scale=alt.Scale(domain=lines.models, range=lines.colours))


def point_style(lines):
    """Shape and fill of points: those of status `noisy` or `beyond` are hollow."""
    hollow = "datum.status === 'noisy' || datum.status === 'beyond'"
    shapes = alt.Scale(domain=lines.models, range=lines.shapes)
    return {
        "shape": alt.Shape("line_model:N", scale=shapes),
        "fill": alt.condition(hollow, alt.value("white"), colour_of(lines)),
    }


def lines_with_intervals(lines, x, y, interval, tooltip, reference=None, clip=False):
    """Layers: a line with points for each model and variety, a bar over the columns `interval` at
    each point.

    A click on the legend picks a model. Where the x encoding `reference` is given, column
    `reference` is drawn over it as a grey dashed line. With `clip`, what lies beyond the axes is cut
    off, and points on an edge in half.
    """
    picked = alt.selection_point("picked", fields=["line_model"], bind="legend")
    base = alt.Chart().encode(
        x=x,
        color=colour_of(lines),
        opacity=alt.condition(picked, alt.value(1), alt.value(0.08)),
    )
    low, high = interval
    strokes = base.mark_line(strokeWidth=1.8, clip=clip).encode(y=y, strokeDash=dash_of(lines))
    intervals = base.mark_rule(strokeWidth=1.4, clip=clip).encode(y=f"{low}:Q", y2=f"{high}:Q")
    points = base.mark_point(size=42, strokeWidth=1.5, clip=clip).encode(
        y=y, tooltip=tooltip, **point_style(lines)
    )
    layers = [strokes, intervals, points.add_params(picked)]
    if reference is not None:
        grey = alt.Chart().mark_line(strokeDash=[4, 3], color="#777777", strokeWidth=1.2)
        layers.insert(0, grey.encode(x=reference, y="mean(reference):Q"))
    return layers


def in_grid(layers, rows, width=215, height=190):
    """Lays the layers into one panel for each (row_panel, column_panel), with common axes; a
    direction with a single panel has no header."""
    chart = alt.layer(*layers).properties(width=width, height=height)
    layout = {}
    for channel, kind in (("row", alt.Row), ("column", alt.Column)):
        names = list(dict.fromkeys(rows[f"{channel}_panel"]))
        if len(names) > 1:
            layout[channel] = kind(f"{channel}_panel:N", sort=names)
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


def titled(chart, title, subtitle):
    return chart.properties(title=alt.Title(title, subtitle=subtitle)).configure(**THEME)
