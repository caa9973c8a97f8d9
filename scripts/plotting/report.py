"""One HTML file that shows a run's plots, claims and gaps, and needs no network."""

import json
from html import escape

import altair
import vl_convert

from plotting import verdict
from plotting.claims import machine_line
from plotting.derived import not_ok
from plotting.figures import PLOTS
from plotting.naming import MODELS, model_name, rank

STYLE = """
body { font: 16px/1.5 system-ui, "Liberation Sans", Arial, sans-serif; color: #1a1a1a;
       margin: 2rem auto; max-width: 1120px; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.6rem; }
p, li { max-width: 48rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.92rem; }
th, td { border-bottom: 1px solid #ddd; padding: 0.35rem 0.9rem 0.35rem 0; text-align: left;
         vertical-align: top; }
.figure { overflow-x: auto; margin: 1rem 0; }
.scroll { max-height: 30rem; overflow-y: auto; }
"""

# The menu of a figure offers only what works offline.
SCRIPT = """
const options = {renderer: "svg", actions: {export: true, source: false, compiled: false,
                                            editor: false}};
for (const element of document.querySelectorAll(".figure")) {
  const specification = JSON.parse(document.getElementById(element.id + "-data").textContent);
  vegaEmbed(element, specification, options);
}
"""


def report_html(runs, figures, verdicts, claims):
    """The whole page. `runs` share every plot; claims, machine and gaps have a column or a row for
    each. `verdicts` and `claims` by the run's name."""
    names = ", ".join(run.name for run in runs)
    where = "on this machine" if len(runs) == 1 else "in several runs"
    body = [
        f"<h1>Self-attention and recurrent networks {where}</h1>",
        f"<p>seqbench: {escape(names)}. All figures come from the"
        " CSV files of the run and hold for the machine described below; another machine gives"
        " others. A click on a model's entry in a legend of lines with points picks its lines; pointing"
        " at a mark shows its numbers.</p>",
        verdict_section(runs, verdicts),
        claims_section(runs, claims),
        *(plot_section(plot, runs, figures) for plot in PLOTS),
        scaling_section(runs),
        gaps_section(runs),
        machine_section(runs),
    ]
    # The libraries' version that the charts were written for, as vl-convert names it ("6.4").
    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    bundle = vl_convert.javascript_bundle(vl_version=version)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>seqbench: {escape(names)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + f"\n<script>{bundle}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def verdict_section(runs, verdicts):
    """A row a claim: the word, the figures, and on which rows they rest; a column of words for each
    of several runs."""
    rows = []
    for same_claim in zip(*verdicts.values()):
        first = same_claim[0]
        cells = [f"{first.claim}", escape(first.sentence)]
        cells += [f"<strong>{escape(one.verdict)}</strong>" for one in same_claim]
        cells += ["<br>".join(escape(one.text) for one in same_claim if one.text)]
        told = dict.fromkeys(
            f"{one.condition} ({one.source_file}: {one.source_case})"
            for one in same_claim if one.source_file
        )  # fmt: skip
        cells += ["<br>".join(escape(text) for text in told)]
        rows.append(cells)
    words = ["verdict"] if len(runs) == 1 else [run.name for run in runs]
    parts = ["<h2>The verdict</h2>", table(["", "The textbook says", *words, "figures", "by"], rows)]
    if len(runs) > 1:
        parts.append(f"<p>{escape(verdict.agreement(verdicts).splitlines()[0])}.</p>")
    thresholds = [
        [escape(name), f"{one.value:g}", escape(one.reason)]
        for name, one in verdict.THRESHOLDS.items()
    ]
    parts.append(
        "<details><summary>Where a verdict changes</summary>\n"
        + table(["threshold", "at", "since"], thresholds)
        + "</details>"
    )
    return "\n".join(parts)


def claims_section(runs, claims):
    header = ["The textbook says", "measured", *(run.name for run in runs)]
    if len(runs) == 1:
        header[2] = f"this run ({machine_line(runs[0])})"
    rows = []
    for same_claim in zip(*claims.values()):
        cells = [escape(same_claim[0].sentence), escape(same_claim[0].measure)]
        cells += ["<br>".join(escape(figure) for figure in claim.figures) for claim in same_claim]
        rows.append(cells)
    return (
        "<details><summary>Every figure behind the claims</summary>\n"
        + table(header, rows)
        + "</details>"
    )


def plot_section(plot, runs, figures):
    """Heading, explanation and figures of one plot; without data, what is missing."""
    own = [figure for figure in figures if figure.plot is plot]
    parts = [f"<h2>{escape(plot.heading)}</h2>"]
    if not own and plot.optional:
        return ""
    if not own:
        parts.append(f"<p>{escape(why_missing(plot, runs))}</p>")
        return "\n".join(parts)
    parts.append(f"<p>{escape(plot.explanation)}</p>")
    for index, figure in enumerate(own):
        html = (
            f'<div class="figure" id="{figure.slug}"></div>\n'
            f'<script type="application/json" id="{figure.slug}-data">'
            f"{inline_json(figure.chart.to_dict())}</script>\n"
            f"<noscript><p>See {figure.slug}.png.</p></noscript>"
        )
        if index > 0:
            html = f"<details><summary>{escape(figure.label)}</summary>\n{html}</details>"
        parts.append(html)
    return "\n".join(parts)


def why_missing(plot, runs):
    """One sentence for a plot that cannot be drawn."""
    reasons = [
        f"{run.name}: {name} {run.missing[name]}"
        for run in runs
        for name in plot.files
        if name in run.missing
    ]
    if len(reasons) == len(runs) * len(plot.files):
        return f"No plot: {'; '.join(reasons)}."
    return f"No plot: {' and '.join(plot.files)} hold too few rows for it."


def scaling_section(runs):
    """Fitted exponents of scaling.csv."""
    rows = []
    for run in runs:
        table_rows = run.table("scaling").to_dict("records")
        for row in sorted(table_rows, key=lambda row: (rank(MODELS, row["model"]), row["pass"])):
            rows.append(
                [
                    escape(run.name),
                    escape(f"{model_name(row['model'])}, {row['kernel']}, {row['pass']}"),
                    escape(held_text(row)),
                    escape(f"{row['variable']} {number(row['from'])} to {number(row['to'])}"),
                    f"{row['exponent']:.3f}",
                    f"{row['exponent_low']:.3f} to {row['exponent_high']:.3f}"
                    if row["exponent_low"] == row["exponent_low"] else "–",
                    f"{row['r2']:.4f}",
                ]
            )  # fmt: skip
    if not rows:
        return ""
    header = ["run", "model", "at", "range", "exponent", "95 % interval", "R²"]
    return (
        "<h2>Growth of time</h2>\n<p>Fitted exponents: time grows as the variable to this power. 1"
        " means twice the length, twice the time; 2 means four times the time.</p>\n"
        f'<div class="scroll">{table(header, rows)}</div>'
    )


def held_text(row):
    """What stays the same while the variable of a row of scaling.csv grows."""
    names = {"batch": "batch", "seq_len": "length", "width": "width", "threads": "threads"}
    held = {names[key]: row.get(key) for key in names if key != row["variable"]}
    # A cell that is empty (nan is not itself) does not hold.
    words = [f"{name} {number(value)}" for name, value in held.items()
             if value is not None and value == value]  # fmt: skip
    return ", ".join(words + ([] if row["dtype"] == "float32" else [row["dtype"]]))


def gaps_section(runs):
    """What the page does not show: rows that are not `ok`, and files that are not there."""
    parts = ["<h2>What could not be measured well</h2>"]
    rows = [
        [escape(str(cell)) for cell in (run.name, *row)]
        for run in runs
        for row in not_ok(run).itertuples(index=False)
    ]
    if rows:
        parts.append(
            "<p>noisy: the time is shown, but its interval is wide. skipped and failed: there is no"
            " time.</p>"
        )
        header = ["run", "file", "case", "status", "reason"]
        parts.append(f'<div class="scroll">{table(header, rows)}</div>')
    else:
        parts.append("<p>No row is noisy, skipped or failed.</p>")
    absent = [f"{run.name}: {name} {why}" for run in runs for name, why in run.missing.items()]
    if absent:
        items = "".join(f"<li>{escape(text)}</li>" for text in absent)
        parts.append(f"<p>Files without data:</p><ul>{items}</ul>")
    return "\n".join(parts)


def machine_section(runs):
    """machine.json of each run side by side, nested keys joined by dots."""
    described = [flattened(run.machine) for run in runs]
    keys = list(dict.fromkeys(key for machine in described for key in machine))
    if not keys:
        return "<h2>Machine</h2>\n<p>Unknown: there is no machine.json.</p>"
    rows = [
        [escape(key), *(escape(machine.get(key, "")) for machine in described)] for key in keys
    ]
    return "<h2>Machine</h2>\n" + table(["", *(run.name for run in runs)], rows)


def flattened(value, key=""):
    """A nested dict as {dotted key: text}; lists of plain values become one text."""
    if isinstance(value, dict):
        items = {}
        for name, inner in value.items():
            items |= flattened(inner, f"{key}.{name}" if key else name)
        return items
    if isinstance(value, list) and any(isinstance(inner, (dict, list)) for inner in value):
        items = {}
        for index, inner in enumerate(value):
            items |= flattened(inner, f"{key}[{index}]")
        return items
    if isinstance(value, list):
        return {key: ", ".join(str(inner) for inner in value)}
    return {key: number(value) if isinstance(value, float) else str(value)}


def table(header, rows):
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def number(value):
    return value if isinstance(value, str) else f"{value:.6g}"


def inline_json(specification):
    """JSON that cannot end the script element it stands in."""
    return json.dumps(specification, separators=(",", ":")).replace("<", "\\u003c")
