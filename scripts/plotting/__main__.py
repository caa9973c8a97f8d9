"""scripts/plot: plots, verdict and report of one or several run directories."""

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from plotting import agreement, claims, figures, report, shards, verdict
from plotting.reading import RunError, read_run
from utf8 import shown

DESCRIPTION = """\
Judges the textbook's claims by the CSV files of runs (claims.txt, verdict.csv, and where each figure
stands in evidence.csv), and draws PNG and SVG plots and an offline report.html from them.

One run directory: the files go into it. Several, of one machine or of many: they are shown side by
side, the conclusions that agree are printed and end claims-details.txt, and the files go into the
folder `comparison` beside the first of them. Shares of one sweep (seqbench scaling --shard I/N) are
one run, whose files go into the folder `merged` beside the first; a folder of another sweep is
refused. --out names another folder."""

EXAMPLES = """\
examples:
  scripts/plot results/20260101-120000-host
  scripts/plot results/monday results/tuesday --out results/two-days"""


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="scripts/plot",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN_DIR", help="folder with a run's CSV files")
    parser.add_argument("--out", metavar="DIR", help="folder for the plots and the report")
    parser.add_argument("--details", action="store_true",
                        help="print every figure behind the claims, too (claims-details.txt)")
    parser.add_argument("--markdown", metavar="FILE",
                        help="only put the table of claims of one run between its markers in FILE")
    options = parser.parse_args(arguments)
    try:
        runs = with_names_of_their_own([read_run(folder) for folder in options.runs])
        runs = shards.joined(runs)
        if options.out:
            folder = Path(options.out)
        elif len(runs) == 1:
            folder = runs[0].folder
        else:
            folder = runs[0].folder.parent / "comparison"
        if options.markdown:
            put_table_into(options.markdown, runs)
            return 0
        told = {run.name: claims.claims_of(run) for run in runs}
        draw(runs, told, folder)
        if options.details:
            print(details(runs, told))
    except (RunError, OSError) as error:
        print(f"plot: {error}", file=sys.stderr)
        return 1
    return 0


def with_names_of_their_own(runs):
    """The runs; those of one name get that of the folder above them too, and a number where that
    does not tell them apart."""
    names = Counter(run.name for run in runs)
    runs = [
        replace(run, name=f"{shown(run.folder.parent.name)}/{run.name}")
        if names[run.name] > 1 else run
        for run in runs
    ]
    seen = Counter()
    for index, run in enumerate(runs):
        seen[run.name] += 1
        if seen[run.name] > 1:
            runs[index] = replace(run, name=f"{run.name} ({seen[run.name]})")
    return runs


def title_of(run):
    return f"{run.name} ({claims.machine_line(run)})"


def put_table_into(path, runs):
    """Rewrites the table of claims in a page of Markdown. Throws RunError where there are several
    runs, or the page has no place for it."""
    if len(runs) > 1:
        raise RunError(f"--markdown: '{path}': expected one run, not {len(runs)}")
    page = Path(path)
    try:
        table = verdict.as_markdown(verdict.verdicts_of(runs[0]), runs[0], page.resolve().parent)
        page.write_text(verdict.put_into(page.read_text(encoding="utf-8"), table), encoding="utf-8")
    except ValueError as error:
        raise RunError(f"--markdown: {path}: {error}") from error
    print(page)


def details(runs, told):
    return "\n".join(claims.as_text(told[run.name], run) for run in runs)


def draw(runs, told, folder):
    """Writes all files into `folder` and prints their paths; `told` are the claims by run."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = figures.figures_of(runs)
    for figure in drawn:
        for path in figures.save(figure, folder):
            print(path)
    verdicts = {run.name: verdict.verdicts_of(run) for run in runs}
    tables = [verdict.as_text(verdicts[run.name], title_of(run)) for run in runs]
    if len(runs) > 1:
        tables.append(verdict.agreement(verdicts))
    cases = agreement.agreement_text(runs)
    if cases:
        print(cases)
    texts = {
        "claims.txt": "\n".join(tables),
        "claims-details.txt": "\n".join([details(runs, told), *([cases] if cases else [])]),
        "verdict.csv": verdict.as_csv(verdicts),
        "evidence.csv": verdict.evidence_csv(verdicts),
        "report.html": report.report_html(runs, drawn, verdicts, told),
    }
    for name, text in texts.items():
        # JSON can hold half of a surrogate pair, which UTF-8 cannot.
        (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        print(folder / name)


if __name__ == "__main__":
    sys.exit(main())
