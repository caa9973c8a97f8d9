"""Medians and their intervals, by the same rules as harness/base/statistics.cc."""

import math
from dataclasses import dataclass
from statistics import median

# The fewest values whose range covers the median with 95 %.
LEAST_FOR_INTERVAL = 6


@dataclass(frozen=True)
class Interval:
    """A median and what covers it with 95 %; below LEAST_FOR_INTERVAL values their range."""

    median: float
    low: float
    high: float

    @property
    def relative_half_width(self):
        return (self.high - self.low) / 2 / self.median


def median_interval(values):
    """Distribution-free interval from order statistics (binomial; Conover, Practical Nonparametric
    Statistics, 3.2): the count of values below the true median is Binomial(n, 1/2)."""
    values = sorted(values)
    count = len(values)

    def left_out(cut):
        """Probability that the median lies outside when `cut` values are cut at each end."""
        return 2 * sum(math.comb(count, below) for below in range(cut + 1)) / 2**count

    cut = 0
    while 2 * (cut + 1) < count and left_out(cut + 1) <= 0.05:
        cut += 1
    return Interval(median(values), values[cut], values[-1 - cut])


def outliers(values):
    """The positions of the values whose modified z-score is above 3.5 (Iglewicz & Hoaglin 1993)."""
    middle = median(values)
    mad = median(abs(value - middle) for value in values)
    return [position for position, value in enumerate(values)
            if mad > 0 and 0.6745 * abs(value - middle) > 3.5 * mad]


def paired_ratio(numerators, denominators):
    """The interval of the ratios of values taken in the same round."""
    return median_interval([a / b for a, b in zip(numerators, denominators, strict=True)])
