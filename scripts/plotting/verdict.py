"""The verdict on each sentence of the textbook: which word a run's rows allow, and the figures that
it rests on, as a table for people, for programs and for a page of Markdown.

Every claim names the rows that decide it and is no stronger than they are: noisy rows, too few seeds
or two threads leave it unsettled. Where a run lacks these rows, the verdict says so. The rules are in
judged_*.py and surprises.py, the thresholds in judgement.py.
"""

import csv
import io
import math
import os
import re
import textwrap
from dataclasses import replace
from pathlib import Path

from plotting.judged_lead import training
from plotting.judged_learning import formula, memory, pairing, weights
from plotting.judged_parallelism import parallel
from plotting.judgement import SENTENCES, THRESHOLDS, Verdict, not_settled
from plotting.surprises import surprise

NOT_MEASURED = not_settled("not measured in this run")

COLUMNS = (
    "run_id claim verdict condition figure low high unit threshold source_file source_case"
).split()
# Of evidence.csv: every figure of a claim's text.
EVIDENCE_COLUMNS = (
    "run_id claim what figure low high unit how source_file source_column source_case"
).split()


def verdicts_of(run):
    """All seven, in the textbook's order; the last one is what no sentence of it told."""
    judges = (parallel, training, memory, pairing, weights, formula, surprise)
    return [judge(run) or Verdict(claim, NOT_MEASURED) for claim, judge in enumerate(judges, 1)]


# What the words of a verdict mean, in capitals in the text.
WORDS = ("holds", "depends on", "does not hold here", "not settled")
MOST_LINES, WIDTH = 24, 100
# Lines of a claim below its sentence; of the second, which tells the parts of a ratio, one more.
LINES_BELOW = 2
WHERE_TO_LOOK = "Each claim has a section in report.html; where its figures stand: evidence.csv"


def in_capitals(verdict):
    """"HOLDS up to 64 tokens": the word that counts in capitals."""
    word = next((word for word in WORDS if verdict.startswith(word)), verdict)
    return word.upper() + verdict[len(word):]


def capitalised(text):
    return text[:1].upper() + text[1:]


def as_text(verdicts, title):
    """The table for a terminal: at most MOST_LINES lines of WIDTH columns."""
    lines = [shortened(f"The textbook's claims, judged by {title}")]
    for verdict in verdicts:
        told = in_capitals(verdict.verdict)
        told += f". {capitalised(verdict.text)}" if verdict.text else ""
        lines.append(f"{verdict.claim} {verdict.sentence}")
        lines += fitted(told, LINES_BELOW + (verdict.claim == 2))
    return "\n".join([*lines, WHERE_TO_LOOK]) + "\n"


def fitted(text, most):
    """The text in so many lines at most: as many of its clauses as fit, or else cut within the
    first."""
    clauses = re.split(r"(?<=[.;]) ", text)
    for count in range(len(clauses), 0, -1):
        lines = wrapped(" ".join(clauses[:count]).removesuffix(";").removesuffix("."))
        if len(lines) <= most:
            return lines
    return wrapped(text, max_lines=most)


def wrapped(text, **options):
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", placeholder=" …",
                         **options)  # fmt: skip


def shortened(line):
    return line if len(line) <= WIDTH else line[: WIDTH - 2] + " …"


# Around the table in a page of Markdown.
MARKERS = ("<!-- claims: made by scripts/plot RUN --markdown FILE -->", "<!-- end of claims -->")


def as_markdown(verdicts, run, folder):
    """The table for a page of Markdown in `folder`, with links to the run's files."""
    here = Path(os.path.relpath(run.folder, folder)).as_posix()
    lines = ["| | the textbook says | here | figures |", "| --- | --- | --- | --- |"]
    for verdict in verdicts:
        file = f" ([rows]({here}/{verdict.source_file}))" if verdict.source_file else ""
        cells = [str(verdict.claim), verdict.sentence, f"**{verdict.verdict}**",
                 capitalised(verdict.text) + file]  # fmt: skip
        lines.append("| " + " | ".join(inert(cell) for cell in cells) + " |")
    return "\n".join(lines)


def inert(text):
    """Text that ends no cell and begins no tag."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def put_into(page, table):
    """The text of a page with the table between its markers. Throws ValueError where it has none."""
    begin, end = MARKERS
    pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"expected once the lines {begin!r} and {end!r}")
    return pattern.sub(lambda _: f"{begin}\n{table}\n{end}", page)


def strength(verdict):
    """Which of two verdicts is the weaker one: the lower."""
    if verdict.startswith("not settled"):
        return 0
    return 1 if verdict.startswith(("holds up to", "depends on")) else 2


def joint(verdicts):
    """What several runs say together of one claim: the weaker verdict where they differ, and nothing
    settled where one says that it holds and another that it does not."""
    words = {verdict.verdict for verdict in verdicts}
    if len(words) == 1:
        return verdicts[0]
    if {"holds", "does not hold here"} <= words:
        return replace(verdicts[0], verdict=not_settled("the runs contradict each other"))
    weakest = min(strength(verdict.verdict) for verdict in verdicts)
    weak = [verdict for verdict in verdicts if strength(verdict.verdict) == weakest]
    if any(verdict.verdict.startswith("holds up to") for verdict in weak):
        return min(weak, key=lambda verdict: first_number(verdict.verdict))
    # Of two conditions the longer, which names more; of two surprises that of the smaller figure.
    by_words = weak[0].claim < len(SENTENCES)
    return max(weak, key=lambda verdict: len(verdict.verdict)) if by_words else min(
        weak, key=lambda verdict: math.inf if math.isnan(verdict.low) else verdict.low)  # fmt: skip


def first_number(text):
    found = re.search(r"\d+", text)
    return int(found[0]) if found else math.inf


def agreement(verdicts_by_run):
    """Which verdicts several runs share: a line for each claim on which they differ, with the weaker
    one, after the count."""
    by_claim = list(zip(*verdicts_by_run.values()))
    differ = [same for same in by_claim if len({verdict.verdict for verdict in same}) > 1]
    lines = [f"{len(by_claim) - len(differ)} of {len(by_claim)} verdicts are the same in all runs"]
    for verdicts in differ:
        told = (
            f"{name}: {in_capitals(verdict.verdict)}"
            for name, verdict in zip(verdicts_by_run, verdicts)
        )
        together = in_capitals(joint(verdicts).verdict)
        lines += textwrap.wrap(f"{verdicts[0].claim} {'; '.join(told)}; together: {together}", WIDTH,
                               subsequent_indent="    ")  # fmt: skip
    return "\n".join(lines) + "\n"


def as_csv(verdicts_by_run):
    """verdict.csv of one run or several: numbers that read back exactly, empty where unknown."""
    rows = []
    for run_id, verdicts in verdicts_by_run.items():
        for verdict in verdicts:
            threshold = THRESHOLDS.get(verdict.threshold)
            rows.append([
                run_id, verdict.claim, verdict.verdict, verdict.condition,
                *map(number_cell, (verdict.figure, verdict.low, verdict.high)), verdict.unit,
                number_cell(threshold.value) if threshold else "", verdict.source_file,
                verdict.source_case,
            ])  # fmt: skip
    return csv_text(COLUMNS, rows)


def evidence_csv(verdicts_by_run):
    """evidence.csv: every figure of the verdicts' texts, and the cells that it is from."""
    rows = [
        [run_id, verdict.claim, one.what, *map(number_cell, (one.value, one.low, one.high)), one.unit,
         one.how, one.file, one.column, one.case]
        for run_id, verdicts in verdicts_by_run.items()
        for verdict in verdicts
        for one in verdict.figures
    ]  # fmt: skip
    return csv_text(EVIDENCE_COLUMNS, rows)


def csv_text(columns, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *rows])
    return text.getvalue()


def number_cell(value):
    if math.isnan(value):
        return ""
    return f"{float(value):.17g}" if value % 1 else f"{value:.0f}"
