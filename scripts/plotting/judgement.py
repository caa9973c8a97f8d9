"""What a verdict is made of: figures that name the cells they are from, thresholds with their
reasons, and the rules that leave a claim unsettled.
"""

import math
from dataclasses import dataclass

from plotting.derived import wilson
from plotting.naming import plural


@dataclass(frozen=True)
class Threshold:
    """Where a verdict changes, and why there."""

    value: float
    reason: str


THRESHOLDS = {
    "threads": Threshold(4, "on two threads a loop that stops scaling looks like one that does not"),
    "gain": Threshold(1.25, "less may come of clocks that fall and caches that are shared"),
    "lengths": Threshold(0.25, "where fewer of the lengths differ, chance can be why"),
    "predicted": Threshold(0.1, "a projection that misses the measured times by more is not believed"),
    "checked": Threshold(0.75, "of the projected times that could be measured so many have to be met"),
    "noisy": Threshold(0.25, "with more noisy rows the median is one of them as likely as not"),
    "lead": Threshold(1.0, "as fast as the other"),
    "seeds": Threshold(5, "of three seeds that all solve, the interval begins at 44 %: no majority"),
    "share": Threshold(0.5, "most seeds, by the end of the share's interval"),
    "control": Threshold(0.1, "a control above guessing by more solves it by other means"),
    "half": Threshold(0.5, "most of the weight, and most of the answers"),
    "settings": Threshold(6, "fewer settings can be a choice"),
    "agree": Threshold(1.0, "one case that disagrees with the formula is a wrong kernel"),
    "surprise": Threshold(1.25, "by less than that the textbook is not far off"),
    "step": Threshold(2.0, "surprises are ranked by doublings, so that two runs name the same one"),
}


def threshold(name):
    return THRESHOLDS[name].value


@dataclass(frozen=True)
class Figure:
    """A number and where it stands. `how` says what is done with the cells of `column` in the rows
    of `file` that `case` selects:

        cell                 the one cell; `low` and `high` are those of column_low and column_high
        median               of all of them, from the least to the most
        share                of rows whose cell is the value behind "=" in `column`, with Wilson's
                             95 % interval
        median of ratios     of the rows of the first selection ÷ those of the second ("A ÷ B"), each
                             with its partner of the same other keys, from the least to the most;
                             "× B" multiplies
        share of settings    of claim 5 (docs/method.md#how-each-claim-is-judged)
    """

    what: str
    value: float
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    how: str = "cell"
    file: str = ""
    column: str = ""
    case: str = ""


@dataclass(frozen=True)
class Verdict:
    """One row: `verdict` is "holds", "holds up to …", "depends on …", "does not hold here" or "not
    settled: …"; `text` the figures in a sentence; `figures` what they are, the one that decides
    first; `threshold` the name of what it is compared with."""

    claim: int
    verdict: str
    condition: str = ""
    text: str = ""
    figures: tuple = ()
    threshold: str = ""

    @property
    def sentence(self):
        return SENTENCES[self.claim - 1]

    @property
    def decisive(self):
        return self.figures[0] if self.figures else Figure("", math.nan)

    # The decisive figure's cells in verdict.csv.
    figure = property(lambda self: self.decisive.value)
    low = property(lambda self: self.decisive.low)
    high = property(lambda self: self.decisive.high)
    unit = property(lambda self: self.decisive.unit)
    source_file = property(lambda self: self.decisive.file)

    @property
    def source_case(self):
        one = self.decisive
        return f"{one.how} of {one.column}: {one.case}" if one.file else ""


SENTENCES = (
    "RNNs are sequential, which hinders parallelization",
    "Self-attention's products run in parallel, so training is significantly faster",
    "RNNs lose long-range dependencies",
    "Attention relates any two words regardless of distance",
    "“it” attends to “animal”, “sat” to “cat” and “mat”",
    "Query, Key, Value: scores, softmax, weighted sum",
    "What nobody told you",
)

# Those that the textbook means by "RNNs". minGRU came after it, and its steps wait for no product:
# it is told beside them and judged with neither side.
TEXTBOOK_RNNS = ("elman", "lstm", "gru")
RECURRENT = (*TEXTBOOK_RNNS, "mingru")


def not_settled(why):
    return f"not settled: {why}"


def noise_among(rows):
    """Why these rows decide nothing, or None."""
    noisy = int((rows["status"] == "noisy").sum())
    too_many = noisy > threshold("noisy") * len(rows)
    return not_settled(f"{noisy} of {len(rows)} rows are noisy") if too_many else None


def too_few_seeds(counts):
    """Why so few seeds decide nothing, or None."""
    least, needed = int(min(counts)), threshold("seeds")
    return not_settled(f"{plural(least, 'seed')}, {needed:g} needed") if least < needed else None


def times(value, digits=2):
    return f"×{value:.{digits}f}"


# What of a row of the race is a case's own, beside its model and kernel.
SHAPE = ("pass", "batch", "width", "block", "match")
# The same of rows of throughput.csv.
TIMED_SHAPE = (*SHAPE, "variant", "dtype")
# Of rows of speedup.csv and crossover.csv.
PAIR = (*SHAPE, "threads", "kernel", "heads", "causal", "baseline_model", "baseline_kernel")


def selection(rows, *columns):
    """"pass=train, batch=1, preset=": the columns in which all rows agree, with what they have there;
    "a|b" where they have the one or the other. Numbers that are missing, and columns that files of
    earlier versions lack, are left out."""
    parts = []
    for column in columns:
        if column not in rows:
            continue
        values = sorted(rows[column].dropna().unique(), key=str)
        if values and all(isinstance(value, str) for value in values):
            parts.append(f"{column}={'|'.join(values)}")
        elif len(values) == 1:
            parts.append(f"{column}={values[0]:.17g}")
    return ", ".join(parts)


def cell(what, unit, file, column, row, keys):
    """The Figure of one row (a Series)."""
    low, high = row.get(f"{column}_low", math.nan), row.get(f"{column}_high", math.nan)
    case = selection(row.to_frame().T.infer_objects(), *keys)
    return Figure(what, number(row[column]), number(low), number(high), unit, "cell", file, column, case)


def median(what, unit, file, column, rows, keys):
    """The Figure of all rows, from least to most."""
    values = rows[column]
    return Figure(what, values.median(), values.min(), values.max(), unit, "median", file, column,
                  selection(rows, *keys))  # fmt: skip


def share(what, unit, file, column, value, rows, keys):
    """The Figure of how many rows have the value in the column."""
    count = int((rows[column] == value).sum())
    low, high = wilson(count, len(rows))
    return Figure(what, count / len(rows), low, high, unit, "share", file, f"{column}={value}",
                  selection(rows, *keys))  # fmt: skip


def number(value):
    """A cell as a float; NaN where it is empty or no number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
