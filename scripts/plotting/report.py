"""One HTML file that shows a run's verdict, what it rests on, and its gaps, and needs no network.

The verdict is plain HTML at the top, so that it is read before any script runs; charts are drawn when
they come near the window (plotting/page/).
"""

from functools import cache
from html import escape
from pathlib import Path

import altair
import vl_convert

from plotting import verdict
from plotting.claims import machine_line
from plotting.derived import not_ok
from plotting.naming import MEMORY, PAIRING, STATE, model_name, percent
from plotting.page import (
    attention_charts,
    commands,
    learning_charts,
    markup,
    questions,
    race_charts,
    table_one,
    text_charts,
)
from plotting.page.chart import CONFIG

PAGE = Path(__file__).with_name("page")

# Nothing is loaded from anywhere: what the page may do is what is in it.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline';"
    " img-src data:"
)


def kept(runs):
    return learning_charts.solved(
        runs, MEMORY, "kept", "Seeds that still know what stood so many tokens back",
        "Each cell counts the seeds, of models trained from scratch, whose answers to fresh sequences are"
        " right (95 %). A row that turns from blue to orange loses its words at that distance.",
    )  # fmt: skip


def paired(runs):
    return learning_charts.solved(
        runs, PAIRING, "paired", "Seeds that recall pairs, by distance",
        "Each cell counts the seeds whose answers are right (95 %), of the same trainings and others"
        " beside them.",
    )  # fmt: skip


def tracked(runs):
    return learning_charts.solved(
        runs, STATE, "state", "Seeds that keep count",
        "Tasks that take a state: the product of so many permutations (word_problem), or whether the"
        " number of ones is odd (parity). Each cell counts the seeds whose answers are right (95 %).",
    )  # fmt: skip


def pairs(runs):
    return learning_charts.pairs(runs, PAIRING)


# Of each claim the charts: the first that there are rows for is shown, the others are folded. Beside
# each the files that it is drawn from.
CHARTS = {
    1: (
        (race_charts.gains, ("throughput.csv",)),
        (race_charts.processors, ("projection.csv",)),
    ),
    2: (
        (race_charts.speedup, ("speedup.csv", "throughput.csv")),
        (race_charts.parts, ("speedup.csv",)),
        (race_charts.throughput, ("throughput.csv",)),
        (race_charts.crossings, ("crossover.csv",)),
        (text_charts.losses, ("training.csv",)),
        (text_charts.by_position, ("context.csv",)),
        (race_charts.peers, ("peers.csv", "steps.csv")),
    ),
    3: ((kept, ("recall.csv",)), (learning_charts.gradients, ("gradient.csv",))),
    4: (
        (pairs, ("recall.csv",)),
        (paired, ("recall.csv",)),
        (learning_charts.frontier, ("frontier.csv",)),
    ),
    5: (
        (attention_charts.of_word, ("attention.csv",)),
        (attention_charts.whole_map, ("attention.csv",)),
        (attention_charts.hidden_words, ("interventions.csv",)),
        (attention_charts.use, ("interventions.csv",)),
    ),
    6: (
        (learning_charts.ablations, ("ablation.csv",)),
        (learning_charts.agreement, ("throughput.csv",)),
    ),
    7: ((tracked, ("recall.csv",)),),
}

READING = (
    ("Verdict", "“holds” and “does not hold here” are about this machine and these settings. “depends on …”"
     " names what decides. “not settled” means that the rows are too few or too noisy to tell."),
    ("Interval", "“736 (701 to 772)”: another run would lie between the two in 95 of 100 cases."),
    ("Speedup", "×2 is twice as many tokens per second; below ×1 the other model is faster."),
    ("One thread and several", "One thread shows the algorithm, several what the machine adds. The textbook"
     " speaks of many processors; a laptop has few, and a recurrent step can share its units among them."),
    ("Seeds", "A training starts from random numbers, the seed. Most trainings learn a task wholly or not at"
     " all, so the seeds that do are counted."),
    ("Distance", "How many tokens stand between a word and the answer that depends on it."),
)  # fmt: skip

METHOD = (
    "A case is checked against a computation in double precision before it is timed; where they differ it"
    " has no time.",
    "Both sides use the same matrix product, threads, compiler flags and vector functions. All projections"
    " count as work.",
    "Comparable cases are interleaved at random. Repetitions come from several processes, minutes apart; the"
    " interval covers the spread between them.",
    "A row is noisy where its seconds are not known to 10 %, or where something else used its CPUs.",
    "A model that fails was given what could have helped: learning rates on a grid, other starts, the budget"
    " of the one that succeeds.",
    "docs/method.md has the rest, results/README.md every column.",
)


def report_html(runs, figures, verdicts, claims):
    """The whole page of these runs, side by side where there are several. `figures` are the plots
    that stand beside the page; `verdicts` and `claims` by the run's name."""
    names = ", ".join(run.name for run in runs)
    where = "on this machine" if len(runs) == 1 else "in several runs"
    claims_html = "\n".join(claim_section(number, runs, verdicts, claims) for number in CHARTS)
    ends = [table_section(runs), gaps_section(runs), machine_section(runs, figures)]
    places = "\n".join([claims_html, *ends])
    body = [
        '<a class="skip" href="#verdict">To the verdict</a>',
        "<header>",
        f"<h1>Self-attention and recurrent networks {where}</h1>",
        "".join(markup.paragraph(f"{run.name}: {machine_line(run)}, {measured_on(run)}") for run in runs),
        contents(),
        "</header>\n<main>",
        verdict_section(runs, verdicts, places),
        questions_section(runs, places),
        reading_section(),
        claims_html,
        *ends,
        "</main>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>seqbench: {escape(names)}</title>\n<style>{part('page.css')}</style>\n</head>\n<body>\n"
        + "\n".join(one for one in body if one)
        + "\n"
        + markup.element("script", markup.inline_json(CONFIG), type="application/json",
                         id="chart-config")
        # A module, so that its names are none of the libraries'.
        + f"\n<script>{libraries()}</script>\n<script type='module'>{part('page.js')}</script>\n"
        + "</body>\n</html>\n"
    )  # fmt: skip


@cache
def libraries():
    """Vega, Vega-Lite and Vega-Embed in the version that the charts were written for, as vl-convert
    names it ("6.4")."""
    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return vl_convert.javascript_bundle(vl_version=version)


def part(name):
    return (PAGE / name).read_text(encoding="utf-8")


def measured_on(run):
    """When, and by which commit; as far as machine.json tells."""
    build = run.machine.get("build")
    commit = build.get("git_commit") if isinstance(build, dict) else None
    records = run.machine.get("commands")
    records = records if isinstance(records, list) else []
    started = [str(one["started"])[:10] for one in records if isinstance(one, dict) and one.get("started")]
    told = [f"measured {min(started)}" if started else "", f"commit {commit}" if commit else ""]
    return ", ".join(one for one in told if one) or "measured at a time that nothing tells"


def contents():
    places = {
        "questions": "Ten questions",
        "reading": "How to read this",
        "table-1": "Table 1",
        "gaps": "Not sure",
        "machine": "Machine and method",
    }
    links = "".join(f'<li><a href="#{place}">{escape(name)}</a></li>' for place, name in places.items())
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>'


def section(place, heading, *content):
    """A section with its heading; "" without content."""
    content = [one for one in content if one]
    if not content:
        return ""
    title = markup.element("h2", escape(heading), id=f"{place}-title", tabindex=-1)
    return markup.element("section", "\n".join([title, *content]), id=place,
                          aria_labelledby=f"{place}-title")  # fmt: skip


def word_class(word):
    """The class of a verdict, for its colour; the words say the same."""
    for start, name in (("holds", "holds"), ("depends", "depends"), ("does not", "fails"),
                        ("not settled", "open")):  # fmt: skip
        if word.startswith(start):
            return name
    return "told"


def word_html(one):
    return markup.element("span", escape(one.verdict), class_=f"word {word_class(one.verdict)}")


def figure_text(value, low, high, unit):
    """"736 (701 to 772) tokens", "0 % (0 % to 43 %): share of seeds", "×1.09 (1.01 to 1.16): …"; ""
    where nothing was measured."""
    if value != value:
        return ""
    share = unit.startswith("share") or unit in ("accuracy", "fraction")

    def told(number):
        if share:
            return percent(number)
        return f"{number:.0f}" if unit == "tokens" else f"{number:.2f}"

    text = f"×{told(value)}" if "÷" in unit else told(value)
    if low == low and high == high:
        text += f" ({told(low)} to {told(high)})"
    return f"{text}: {unit}" if share or "÷" in unit else f"{text} {unit}"


# What to look at: chart and words, by claim, and of the seventh by the file that decides it.
LOOK_AT = {
    1: ("gain", "gain from threads"), 2: ("speedup", "speedup by length"), 3: ("kept", "seeds by distance"),
    4: ("pairs", "right answers"), 5: ("word", "weights of a word"), 6: ("agreement", "cases that agree"),
    "recall.csv": ("state", "seeds that keep count"), "throughput.csv": ("gain", "gain from threads"),
}  # fmt: skip


def look_at(one, places):
    """A link to the chart that shows a verdict, or to its section where the page has none."""
    slug, words = LOOK_AT.get(one.claim) or LOOK_AT.get(one.source_file) or ("", "")
    if has_place(f"chart-{slug}", places):
        return f'<a href="#chart-{slug}">{escape(words)}</a>'
    return f'<a href="#claim-{one.claim}">claim {one.claim}</a>'


def has_place(name, places):
    return f' id="{name}"' in places


def verdict_section(runs, verdicts, places):
    """A row a claim: the word, the figure with its interval and condition, and what to look at;
    `places` is the rest of the page, for links into it."""
    rows = []
    for same_claim in zip(*verdicts.values()):
        first = same_claim[0]
        words, told = [], []
        for run, one in zip(runs, same_claim):
            run_name = f"<small>{escape(run.name)}</small> " if len(runs) > 1 else ""
            words.append(run_name + word_html(one))
            of = "; ".join(part for part in (one.decisive.what.split(":")[0], one.condition) if part)
            parts = [escape(figure_text(one.figure, one.low, one.high, one.unit)),
                     f"<small>{escape(of)}</small>" if of else ""]  # fmt: skip
            parts = [part for part in parts if part]
            told.append(run_name + "<br>".join(parts) if parts else "")
        rows.append([
            f"{first.claim} {escape(first.sentence)}", "<br>".join(words),
            "<br>".join(one for one in told if one), look_at(first, places),
        ])  # fmt: skip
    header = ["The textbook says", "Verdict", "Figure (95 % interval), condition", "Look at"]
    cells = markup.element("thead", "<tr>" + "".join(
        markup.element("th", escape(name), scope="col", role="columnheader") for name in header) + "</tr>",
        role="rowgroup")  # fmt: skip
    # Roles keep the table a table where narrow windows lay its cells below each other.
    cells += markup.element("tbody", "\n".join(
        markup.element("tr", markup.element("th", row[0], scope="row", role="rowheader")
                       + "".join(markup.element("td", cell, role="cell") for cell in row[1:]), role="row")
        for row in rows), role="rowgroup")  # fmt: skip
    whole = markup.element("table", cells, class_="verdicts", role="table",
                           aria_labelledby="verdict-title")  # fmt: skip
    agreed = ""
    if len(runs) > 1:
        agreed = markup.paragraph(verdict.agreement(verdicts).splitlines()[0] + ".")
    return section("verdict", "The verdict", whole, agreed)


def questions_section(runs, places):
    parts = []
    for question in questions.QUESTIONS:
        answers = []
        for run in runs:
            name = f"{run.name}: " if len(runs) > 1 else ""
            answers.append(escape(name + question.answer(run)))
        place = question.place if has_place(question.place, places) else "gaps"
        link = f'<a href="#{place}">Where it is shown</a>'
        told = f"<dt>{escape(question.text)}</dt><dd>{'<br>'.join(answers)} {link}</dd>"
        parts.append(markup.element("div", told))
    return section("questions", "Ten questions", markup.element("dl", "".join(parts)))


def reading_section():
    parts = "".join(
        markup.element("div", f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>") for term, text in READING
    )
    return section("reading", "How to read this", markup.element("dl", parts))


def claim_section(number, runs, verdicts, claims):
    """Verdict and figures of one claim, its chart, and what stands behind it, folded."""
    of_claim = {run.name: verdicts[run.name][number - 1] for run in runs}
    first = next(iter(of_claim.values()))
    parts = []
    for run in runs:
        one = of_claim[run.name]
        name = f"{escape(run.name)}: " if len(runs) > 1 else ""
        text = f". {one.text[0].upper()}{one.text[1:]}." if one.text else "."
        parts.append(f"<p>{name}{word_html(one)}{escape(text)}</p>")
    charts = [(build(runs), files) for build, files in CHARTS[number]]
    shown = [chart for chart, _ in charts if chart is not None]
    if shown:
        parts.append(shown[0].html(runs))
    else:
        parts.append(markup.paragraph(why_missing(charts[0][1], runs)))
    parts += [chart.html(runs, is_folded=True) for chart in shown[1:]]
    if number == 2:
        parts.append(markup.folded("Real text: what the models write", samples(runs)))
    parts.append(markup.folded("What decides", decided_by(runs, of_claim)))
    lines = []
    for run in runs:
        if number <= len(claims[run.name]):
            prefix = f"{run.name}: " if len(runs) > 1 else ""
            lines += [prefix + line for line in claims[run.name][number - 1].figures]
    parts.append(markup.folded("Every figure behind it", markup.items(lines)))
    return section(f"claim-{number}", f"{number} {first.sentence}", *parts)


def samples(runs):
    """What the trained models of the text wrote, the first seed of each."""
    parts = []
    for run in runs:
        rows = run.table("text-samples")
        for row in rows[rows["seed"] == rows["seed"].min()].itertuples():
            words = [run.name] * (len(runs) > 1) + [model_name(row.model)]
            words += [word for word in (row.variant, row.dtype) if word not in ("default", "float32")]
            parts.append(markup.element("h3", escape(", ".join(words))))
            parts.append(markup.element("pre", escape(row.text.strip("\n")), class_="sample"))
    if parts:
        parts.append(commands.box("build/release/seqbench sample --model-file"
                                  " results/again/models/lstm-default-seed1.safetensors"))  # fmt: skip
    return "\n".join(parts)


def decided_by(runs, of_claim):
    """Every figure of a verdict with the cells that it is from, and where the verdict would change."""
    rows, limits = [], []
    for run in runs:
        one = of_claim[run.name]
        rows += [
            [escape(text) for text in (
                run.name, figure.what, figure_text(figure.value, figure.low, figure.high, figure.unit),
                f"{figure.how} of {figure.column}" if figure.column else figure.how, figure.file,
                figure.case)]
            for figure in one.figures
        ]  # fmt: skip
        threshold = verdict.THRESHOLDS.get(one.threshold)
        if threshold:
            limits.append(f"The verdict changes at {threshold.value:g}: {threshold.reason}.")
    header = ["run", "of", "figure", "how", "file", "rows"]
    return markup.table(header, rows) + "".join(
        markup.paragraph(text) for text in dict.fromkeys(limits)
    )


def why_missing(files, runs):
    """One sentence for a chart that cannot be drawn."""
    reasons = [
        f"{run.name}: {name} {run.missing[name]}" for run in runs for name in files if name in run.missing
    ]
    if len(reasons) == len(runs) * len(files):
        return f"No chart: {'; '.join(reasons)}."
    return f"No chart: {' and '.join(files)} hold too few rows for it."


def table_section(runs):
    table = table_one.html(runs)
    if not table:
        table = markup.paragraph(why_missing(("scaling.csv", "span.csv", "decay.csv"), runs))
    return section("table-1", "Table 1 of “Attention Is All You Need”, theory and measurement", table)


def gaps_section(runs):
    """What the page does not show: rows that are not `ok`, and files that are not there."""
    rows = [
        [escape(str(cell)) for cell in (run.name, *row)]
        for run in runs
        for row in not_ok(run).itertuples(index=False)
    ]
    if rows:
        told = markup.paragraph(
            "noisy: the time is shown, but its interval is wide. skipped and failed: there is no time."
        ) + markup.table(["run", "file", "case", "status", "reason"], rows, "Rows that are not ok")
    else:
        told = markup.paragraph("No row is noisy, skipped or failed.")
    absent = [f"{run.name}: {name} {why}" for run in runs for name, why in run.missing.items()]
    return section("gaps", "What is not sure", told,
                   markup.paragraph("Files without data, and rows left out:") if absent else "",
                   markup.items(absent))  # fmt: skip


def machine_section(runs, figures):
    """How it was measured, and machine.json of each run side by side, nested keys joined by dots."""
    described = [flattened(run.machine) for run in runs]
    keys = list(dict.fromkeys(key for machine in described for key in machine))
    rows = [[escape(key), *(escape(machine.get(key, "")) for machine in described)] for key in keys]
    main = [row for key, row in zip(keys, rows) if key in MAIN_KEYS]
    header = ["", *(run.name for run in runs)]
    plots = sorted({figure.slug for figure in figures})
    return section(
        "machine", "Machine and method",
        markup.table(header, main) if rows else markup.paragraph("Unknown: there is no machine.json."),
        markup.folded("All that machine.json tells", markup.table(header, rows)),
        markup.items(METHOD),
        markup.folded("Plots beside this page, each as PNG and SVG", markup.items(plots)),
    )  # fmt: skip


MAIN_KEYS = (
    "host", "os", "cpu", "cpus_online", "topology.cores", "memory_bytes", "simd", "build.version",
    "build.git_commit", "build.compiler", "build.flags", "libraries.blas",
)  # fmt: skip


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
    return {key: f"{value:.6g}" if isinstance(value, float) else str(value)}
