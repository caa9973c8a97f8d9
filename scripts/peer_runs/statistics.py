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


def paired_ratio(numerators, denominators):
    """The interval of the ratios of values taken in the same round."""
    return median_interval([a / b for a, b in zip(numerators, denominators, strict=True)])
