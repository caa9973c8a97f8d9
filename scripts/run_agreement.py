"""How far two runs of one sweep agree: scripts/agree RUN_A RUN_B.

A figure with a 95 % interval promises what another run would show. This counts how often it did:
rows that are `ok` in both runs and whose intervals of seconds have nothing in common, neighbouring
lengths of recurrent models (whose tokens/s hardly depend on the length) that differ by more than
their intervals, and lengths at which attention's lead is lost.
"""

import argparse
import csv
import math
import sys
from dataclasses import dataclass
from pathlib import Path

RECURRENT = {"elman", "lstm", "gru", "mingru"}
# What stays the same along a curve over lengths.
SCOPE = ("block", "layers", "match", "dtype", "ranks", "strategy")
EARLIER = {"block": "layer", "match": "width", "dtype": "float32"}
CURVE = ("model", "kernel", "pass", "batch", "width", "heads", "threads", "causal", *SCOPE)
CROSSING = ("pass", "kernel", "baseline_model", "baseline_kernel", "batch", "width", "heads", "causal",
            "threads", *SCOPE)


class Refused(Exception):
    """The folders cannot be compared; the message says why."""


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def misses(self, other):
        """True when nothing lies in both."""
        return self.high < other.low or other.high < self.low


@dataclass
class Count:
    """So many of so many."""

    hits: int
    all: int

    @property
    def share(self):
        return self.hits / self.all if self.all else math.nan

    def __str__(self):
        return f"{self.hits} of {self.all}" + (f" ({100 * self.share:.1f} %)" if self.all else "")


def read_table(path):
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"{path}: {error}") from error


def read_run(folder):
    """{case_id: row} of throughput.csv."""
    path = Path(folder) / "throughput.csv"
    rows = read_table(path)
    for column in ("case_id", "status", "seconds", "seconds_low", "seconds_high", "seq_len"):
        if rows and column not in rows[0]:
            raise Refused(f"{path}: has no column {column}")
    return {row["case_id"]: row for row in rows}


def seconds_of(row):
    return Interval(float(row["seconds_low"]), float(row["seconds_high"]))


def key_of(row, columns):
    """What files of earlier versions do not say is bare layers' in float32."""
    return tuple(row.get(column) or EARLIER.get(column, "") for column in columns)


def rows_ok_in_both(one, other):
    shared = [case for case in one if case in other]
    return shared, [case for case in shared
                    if one[case]["status"] == other[case]["status"] == "ok"]


def disjoint_rows(one, other, cases):
    return [case for case in cases if seconds_of(one[case]).misses(seconds_of(other[case]))]


def neighbours(run):
    """Pairs of rows, both ok, of a recurrent model at one length and at the next that was measured."""
    curves = {}
    for row in run.values():
        if row["model"] in RECURRENT and row["pass"] != "decode":
            curves.setdefault(key_of(row, CURVE), []).append(row)
    for curve in curves.values():
        curve.sort(key=lambda row: int(row["seq_len"]))
        for shorter, longer in zip(curve, curve[1:]):
            if shorter["status"] == longer["status"] == "ok":
                yield shorter, longer


def speed_of(row):
    """Tokens/s."""
    tokens, seconds = float(row["tokens_per_second"]) * float(row["seconds"]), seconds_of(row)
    return Interval(tokens / seconds.high, tokens / seconds.low)


def crossings(folder):
    """{cell: row} of crossover.csv; None where the run has none."""
    path = Path(folder) / "crossover.csv"
    if not path.exists():
        return None
    return {key_of(row, CROSSING): row for row in read_table(path)}


def crossings_agree(one, other):
    """Of two rows of crossover.csv. A side without a crossing agrees with one whose interval is open
    on that side."""
    if one["status"] == other["status"] != "ok":
        return True
    return not crossing_of(one).misses(crossing_of(other))


def crossing_of(row):
    if row["status"] == "always_ahead":
        return Interval(math.inf, math.inf)
    if row["status"] == "never_ahead":
        return Interval(0, 0)
    middle = float(row["crossover_seq_len"])
    return Interval(float(row.get("crossover_low") or middle),
                    float(row.get("crossover_high") or middle))


def share(text):
    value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not allowed; expected 0% to 100%")
    return value


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/agree", description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit: 0 within the limits, 1 beyond one, 2 wrong option or folders that share no case.")
    parser.add_argument("runs", nargs=2, metavar="RUN", help="folder of a run")
    for option, default, text in [
            ("--ok", "85%", "least share of rows that are ok in both"),
            ("--disjoint", "7%", "largest share of those with disjoint intervals of seconds"),
            ("--neighbours", "3%", "largest share of neighbouring recurrent lengths with disjoint "
                                   "intervals of tokens/s"),
            ("--crossovers", "90%", "least share of crossover lengths that agree")]:
        parser.add_argument(option, type=share, default=share(default), metavar="SHARE",
                            help=f"{text.replace('%', '%%')} (default: {default.replace('%', '%%')})")
    parser.add_argument("--rows", type=int, default=0, metavar="N",
                        help="fewest rows in both, such as 200 (default: any)")
    return parser.parse_args(arguments)


def verdict(text, count, limit, is_least):
    """Prints a line; returns whether the count is within its limit. None of none is."""
    within = not count.all or (count.share >= limit if is_least else count.share <= limit)
    print(f"{text}: {count}; {'at least' if is_least else 'at most'} {100 * limit:g} % is asked"
          f"{'' if within else ' - NOT MET'}")
    return within


def compare_seconds(one, other, options):
    shared, ok = rows_ok_in_both(one, other)
    if not shared:
        raise Refused("the two folders share no case; expected runs of the same sweep")
    alone = len(one) + len(other) - 2 * len(shared)
    if alone:
        print(f"{alone} rows are in one of the two alone and left out")
    within = [verdict("rows that are ok in both runs", Count(len(ok), len(shared)), options.ok, True)]
    if len(shared) < options.rows:
        print(f"{len(shared)} rows; at least {options.rows} are asked - NOT MET")
        within.append(False)
    widths = sorted((float(run[case]["seconds_high"]) / float(run[case]["seconds_low"]) - 1) / 2
                    for run in (one, other) for case in ok)
    if widths:
        print(f"half an interval of theirs: median {100 * widths[len(widths) // 2]:.2g} %, "
              f"nine of ten below {100 * widths[len(widths) * 9 // 10]:.2g} %")
    disjoint = disjoint_rows(one, other, ok)
    within.append(verdict("of these, disjoint 95 % intervals of seconds",
                          Count(len(disjoint), len(ok)), options.disjoint, False))
    for case in disjoint:
        a, b = seconds_of(one[case]), seconds_of(other[case])
        print(f"  {case}: {a.low:.4g} to {a.high:.4g} s, {b.low:.4g} to {b.high:.4g} s")
    return all(within)


def compare_neighbours(runs, options):
    pairs = [pair for run in runs for pair in neighbours(run)]
    apart = [(shorter, longer) for shorter, longer in pairs
             if speed_of(shorter).misses(speed_of(longer))]
    within = verdict("neighbouring lengths of recurrent models, disjoint tokens/s",
                     Count(len(apart), len(pairs)), options.neighbours, False)
    for shorter, longer in apart:
        a, b = speed_of(shorter), speed_of(longer)
        print(f"  {shorter['case_id']}: {a.low:.4g} to {a.high:.4g} tokens/s, "
              f"T={longer['seq_len']}: {b.low:.4g} to {b.high:.4g}")
    return within


def compare_crossings(folders, options):
    one, other = map(crossings, folders)
    if one is None or other is None:
        print("crossover lengths: not in both runs")
        return True
    cells = [cell for cell in one if cell in other]
    apart = [cell for cell in cells if not crossings_agree(one[cell], other[cell])]
    within = verdict("crossover lengths that agree", Count(len(cells) - len(apart), len(cells)),
                     options.crossovers, True)
    for cell in apart:
        print(f"  {' '.join(word for word in cell if word and word not in EARLIER.values())}: "
              f"{told(one[cell])}, {told(other[cell])}")
    return within


def told(row):
    if row["status"] != "ok":
        return row["status"]
    interval = crossing_of(row)
    return f"{float(row['crossover_seq_len']):.0f} ({interval.low:.0f} to {interval.high:.0f})"


def main():
    options = parse(sys.argv[1:])
    try:
        runs = [read_run(folder) for folder in options.runs]
        within = [compare_seconds(*runs, options), compare_neighbours(runs, options),
                  compare_crossings(options.runs, options)]
    except Refused as problem:
        print(f"agree: {problem}", file=sys.stderr)
        sys.exit(2)
    except ValueError as problem:
        print(f"agree: a number of the tables cannot be read: {problem}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if all(within) else 1)


if __name__ == "__main__":
    main()
