"""Every figure of the committed verdicts, and of the README, is a cell of a committed CSV file, or
follows from the cells that evidence.csv names beside it."""

import csv
import importlib.util
import io
import math
import random
import re
import shutil
import statistics
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

INSTALLED = all(importlib.util.find_spec(name) for name in ("pandas", "altair", "vl_convert"))
if INSTALLED:
    from plotting import verdict
    from plotting.__main__ import title_of
    from plotting.reading import read_run

RUNS = [ROOT / "results" / name for name in ("reference", "tasks", "tasks-matched")]
REFERENCE = RUNS[0]
# Told with their sum, or of several files: no cells of one selection.
NOT_SELECTED = ("share of settings",)
# Of files of earlier versions a column can be missing: there its cells would be these.
ADDED_LATER = {"block": "", "preset": "", "variant": "", "match": "width"}

# Numbers of the README that are no measurements, and why. The table of claims has its own test.
NO_MEASUREMENTS = {
    "20": "C++20", "3.22": "CMake", "12": "g++, Debian", "14": "clang", "13": "Debian", "24.04": "Ubuntu",
    "22.04": "Ubuntu", "3.4": "Eigen", "15": "minutes of the quick run", "5": "its least, in minutes",
    "2": "cores that these minutes are for", "512": "--length of an example", "16": "--batch of it",
    "1": "--batch of it", "128": "--distance of an example", "3": "--seeds of an example", "64": "x86-64",
    "86": "x86-64", "10": "minutes of an example", "8": "UTF-8",
}  # fmt: skip


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def same(cell, wanted):
    """Is the cell one of the values? As numbers where both are."""
    for value in wanted.split("|"):
        if cell == value:
            return True
        try:
            if float(cell) == float(value):
                return True
        except ValueError:
            pass
    return False


def selected(rows, case):
    """The rows that "pass=train, batch=1" selects."""
    pairs = [part.split("=", 1) for part in case.split(", ") if part]
    return [row for row in rows
            if all(same(row.get(name, ADDED_LATER.get(name, "")), value) for name, value in pairs)]


def cells(rows, column):
    """The numbers of a column, or of a sum of columns, where there are any."""
    names = column.split(" + ")
    return [sum(float(row[name]) for name in names) for row in rows if all(row[name] for name in names)]


def partners(rows, case):
    """{what the selection leaves open: seconds or tokens} for "median of ratios"."""
    named = {part.split("=", 1)[0] for part in case.split(", ")}
    keys = [key for key in ("pass", "batch", "seq_len", "width") if key not in named]
    return {tuple(row[key] for key in keys): row for row in selected(rows, case)}


def recomputed(row, rows):
    """(figure, low, high) of a row of evidence.csv from the file's rows; None for an end that is not
    checked."""
    how, column, case = row["how"], row["source_column"], row["source_case"]
    if how == "cell":
        found = selected(rows, case)
        found = [one for one in found if one[column]] or found
        # Files can hold more settings than a case names, but not of its cell.
        one = found[0]
        stem = column.removesuffix("_seq_len")
        low, high = (one.get(f"{stem}_{end}") or None for end in ("low", "high"))
        return tuple(float(cell) if cell else None for cell in (one[column], low, high))
    if how == "median":
        values = cells(selected(rows, case), column)
        return statistics.median(values), min(values), max(values)
    if how == "share":
        column, value = column.split("=", 1)
        found = selected(rows, case)
        hits = sum(same(one[column], value) for one in found)
        return hits / len(found), None, None
    factors = re.split(r" ([÷×]) ", case)
    lines = [partners(rows, one) for one in factors[::2]]
    shared = set(lines[0]).intersection(*lines[1:])
    values = []
    for key in shared:
        value = float(lines[0][key][column])
        for sign, line in zip(factors[1::2], lines[1:]):
            value = value * float(line[key][column]) if sign == "×" else value / float(line[key][column])
        values.append(value)
    return statistics.median(values), min(values), max(values)


def numbers(text):
    return re.findall(r"\d+(?:\.\d+|,\d{3}(?!\d))*", text)


def printed_as(token, value):
    """Does this number, or a hundred times it, print as the token?"""
    digits = len(token.partition(".")[2])
    return any(f"{scaled:.{digits}f}" == token for scaled in (value, 100 * value))


def counts_of(row, rows):
    """How many rows a share is of, and how many have it."""
    if row["how"] != "share":
        return set()
    column, value = row["source_column"].split("=", 1)
    found = selected(rows, row["source_case"])
    return {str(len(found)), str(sum(same(one[column], value) for one in found))}


def wrong_figures(folder, evidence):
    """The rows of evidence.csv whose figure or interval its files do not have."""
    files, wrong = {}, []
    for row in evidence:
        name = row["source_file"]
        if row["how"] in NOT_SELECTED or "never_ahead" in row["what"]:
            continue
        files.setdefault(name, table(folder / name))
        told = [float(row[column]) if row[column] else None for column in ("figure", "low", "high")]
        pairs = zip(told, recomputed(row, files[name]))
        if not all(again is None or math.isclose(value, again, rel_tol=1e-9) for value, again in pairs):
            wrong.append(row)
    return wrong


class Evidence(unittest.TestCase):
    def test_every_figure_follows_from_the_cells_that_it_names(self):
        for folder in RUNS:
            with self.subTest(run=folder.name):
                self.assertEqual(wrong_figures(folder, table(folder / "evidence.csv")), [])

    def test_the_decisive_figure_is_the_first_of_its_claim(self):
        for folder in RUNS:
            first = {}
            for row in table(folder / "evidence.csv"):
                first.setdefault(row["claim"], row)
            for row in table(folder / "verdict.csv"):
                own = first.get(row["claim"])
                if own is None:
                    self.assertEqual(row["figure"], "")
                    continue
                for column in ("figure", "low", "high", "unit", "source_file"):
                    self.assertEqual(row[column], own[column])
                self.assertIn(own["source_case"], row["source_case"])

    def test_a_wrong_figure_is_found(self):
        rows = [{"model": "a", "x": "1"}, {"model": "a", "x": "3"}, {"model": "b", "x": "7"}]
        row = {"how": "median", "source_column": "x", "source_case": "model=a"}
        self.assertEqual(recomputed(row, rows), (2, 1, 3))
        row = {"how": "share", "source_column": "x=1", "source_case": "model=a"}
        self.assertEqual(recomputed(row, rows)[0], 0.5)
        self.assertTrue(printed_as("57", 0.5655))
        self.assertFalse(printed_as("56", 0.5655))


@unittest.skipUnless(INSTALLED, "needs the venv of scripts/bootstrap")
class Texts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.run_read = read_run(REFERENCE)
        cls.verdicts = verdict.verdicts_of(cls.run_read)

    def test_the_committed_files_are_what_scripts_plot_makes_of_the_rows(self):
        for folder in RUNS:
            run = self.run_read if folder == REFERENCE else read_run(folder)
            verdicts = self.verdicts if folder == REFERENCE else verdict.verdicts_of(run)
            for name, text in (("claims.txt", verdict.as_text(verdicts, title_of(run))),
                               ("verdict.csv", verdict.as_csv({run.name: verdicts})),
                               ("evidence.csv", verdict.evidence_csv({run.name: verdicts}))):
                told = (folder / name).read_text(encoding="utf-8")
                self.assertEqual(told, text, f"{folder / name}: scripts/plot {folder} makes it anew")

    def test_every_number_of_a_text_is_a_figure_or_a_condition(self):
        evidence = table(REFERENCE / "evidence.csv")
        files = {row["source_file"]: table(REFERENCE / row["source_file"]) for row in evidence}
        for one in self.verdicts:
            own = [row for row in evidence if row["claim"] == str(one.claim)]
            values = [float(row[column]) for row in own for column in ("figure", "low", "high")
                      if row[column]]
            known = {number for row in own for number in numbers(row["source_case"])}
            known |= {number for row in own if row["how"] not in NOT_SELECTED
                      for number in counts_of(row, files[row["source_file"]])}
            known |= set(numbers(one.condition))
            for token in numbers(one.text):
                self.assertTrue(token in known or any(printed_as(token, value) for value in values),
                                f"{one.claim}: {token} of {one.text!r} stands nowhere")

    def test_at_most_two_claims_of_the_reference_are_not_settled(self):
        self.assertLessEqual(
            sum(one.verdict.startswith("not settled") for one in self.verdicts), 2)

    def test_the_readme_has_the_table_of_the_reference_run(self):
        page = (ROOT / "README.md").read_text(encoding="utf-8")
        made = verdict.as_markdown(self.verdicts, self.run_read, ROOT)
        self.assertEqual(page, verdict.put_into(page, made),
                         "./scripts/plot results/reference --markdown README.md makes it anew")


@unittest.skipUnless(INSTALLED, "needs the venv of scripts/bootstrap")
class OtherRuns(unittest.TestCase):
    """What the next run of the reference machine would say: its times scatter as the intervals tell."""

    def verdicts_of(self, rows, seed):
        """Of a run of such rows and without speedup.csv; its figures follow from its cells, too."""
        draw = random.Random(seed)
        jittered = []
        for row in rows:
            # Of a Student interval with five degrees of freedom, half is 2.57 standard errors.
            spread = math.log(float(row["seconds_high"]) / float(row["seconds_low"])) / 2 / 2.57
            factor = math.exp(draw.gauss(0, spread))
            times = {name: float(row[name]) * factor for name in ("seconds", "seconds_low", "seconds_high")}
            jittered.append(row | times | {"tokens_per_second": float(row["tokens_per_second"]) / factor})
        with tempfile.TemporaryDirectory() as folder:
            with open(Path(folder) / "throughput.csv", "w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, jittered[0])
                writer.writeheader()
                writer.writerows(jittered)
            shutil.copy(REFERENCE / "crossover.csv", folder)
            verdicts = verdict.verdicts_of(read_run(folder))
            evidence = csv.DictReader(io.StringIO(verdict.evidence_csv({"r": verdicts})))
            self.assertEqual(wrong_figures(Path(folder), evidence), [])
            return [one.verdict for one in verdicts]

    def test_they_say_the_same(self):
        rows = table(REFERENCE / "throughput.csv")
        # As on a machine with more threads, so that the first claim is judged by its rows.
        rows = [row | {"threads": "8" if row["threads"] != "1" else "1"} for row in rows]
        words = [self.verdicts_of(rows, seed) for seed in range(5)]
        for claim, same in enumerate(zip(*words), 1):
            self.assertEqual(len(set(same)), 1, f"{claim}: {set(same)}")
        self.assertEqual(words[0][1], "depends on length and model")


class Readme(unittest.TestCase):
    def test_it_is_short(self):
        self.assertLessEqual(len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()), 150)

    def test_every_other_number_is_known_to_be_no_measurement(self):
        page = (ROOT / "README.md").read_text(encoding="utf-8")
        page = re.sub(r"<!-- claims.*?<!-- end of claims -->", "", page, flags=re.DOTALL)
        page = re.sub(r"\]\([^)]*\)", "]", page)  # what a link leads to
        unknown = [number for number in numbers(page) if number not in NO_MEASUREMENTS]
        self.assertEqual(unknown, [])
        # A list that nobody reads shrinks to what is needed.
        self.assertEqual([number for number in NO_MEASUREMENTS if number not in numbers(page)], [])


if __name__ == "__main__":
    unittest.main()
