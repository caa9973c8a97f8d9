"""The ratio of two libraries' times. Everything else that follows from samples is seqbench's to say
(judge in harness/server/protocol.h)."""

import math
from dataclasses import dataclass
from statistics import median

@dataclass(frozen=True)
class Interval:
    """A median and what covers it with 95 %; below six values their range."""

    median: float
    low: float
    high: float


def median_interval(values):
    """Distribution-free interval from order statistics, as harness/base/statistics.h (binomial;
    Conover, Practical Nonparametric Statistics, 3.2): the count of values below the true median is
    Binomial(n, 1/2)."""
    values = sorted(values)
    count = len(values)

    def left_out(cut):
        """Probability that the median lies outside when `cut` values are cut at each end."""
        return 2 * sum(math.comb(count, below) for below in range(cut + 1)) / 2**count

    cut = 0
    while 2 * (cut + 1) < count and left_out(cut + 1) <= 0.05:
        cut += 1
    return Interval(median(values), values[cut], values[-1 - cut])


def within_rounding(losses, others, exact, tolerance):
    """Whether one library's losses of a training's steps are those of another: to the tolerance, or
    as far as rounding has driven the other's from its own in double precision by then. Both are
    driven, each its own way, so that four times as far is allowed."""
    driven = 0.0
    for ours, theirs, true in zip(losses, others, exact, strict=True):
        driven = max(driven, abs(theirs - true))
        if not abs(ours - theirs) <= max(tolerance, 4 * driven):
            return False
    return True


def paired_ratio(numerators, denominators):
    """The interval of the ratios of values taken in the same round."""
    return median_interval([a / b for a, b in zip(numerators, denominators, strict=True)])
