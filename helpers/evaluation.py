"""The one rule by which the course compares two recipes over seeds."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class Comparison(NamedTuple):
    """A mean difference, its 95 % interval, and whether the statement holds (None: this run cannot tell)."""

    mean: float
    low: float
    high: float
    holds: bool | None

    def __str__(self):
        return f"{self.mean:+.4f}, 95 % interval {self.low:+.4f} to {self.high:+.4f}"


def is_greater(first, second, margin=0.0):
    """Tell whether ``first`` exceeds ``second`` by more than ``margin``, over paired seeds.

    The differences ``d = first - second`` have the t interval ``mean(d) +- t(0.975, n - 1) s / sqrt(n)``.
    The statement holds where the whole interval lies above the margin, is refuted (False) where it lies
    below zero, and cannot be told (None) otherwise: also where the difference is surely small.

    Args:
        first, second: one value per seed, the same seeds in the same order; at least three.
        margin: the least difference that matters, in the unit of the values; stated before the run.

    Returns:
        ``Comparison(mean, low, high, holds)`` of the differences.

    Raises:
        ValueError: fewer than three pairs, unequal lengths, values that are not finite, a negative margin.

    Source: Student's paired t interval; Cohen, 1995, "Empirical Methods for Artificial Intelligence", chapter 5.

    Example::

        is_greater([0.86, 0.87, 0.86], [0.84, 0.84, 0.85], margin=0.005)
    """
    if not 0 <= margin < np.inf:
        raise ValueError(f"A margin is zero or more. Received: margin={margin!r}")
    mean, low, high = paired_interval(first, second)
    return Comparison(mean, low, high, True if low > margin else False if high < 0 else None)


def is_equal(first, second, margin):
    """Tell whether ``first`` and ``second`` differ by less than ``margin``, over paired seeds.

    The statement holds where the whole interval of the differences lies within the margin, is refuted
    (False) where the whole interval lies outside, and cannot be told (None) otherwise.

    Args:
        first, second, margin: as for ``is_greater``; here the margin must be positive.

    Returns:
        ``Comparison(mean, low, high, holds)`` of the differences.

    Raises:
        ValueError: as ``is_greater``.

    Source: equivalence by interval inclusion, as Schuirmann, 1987, with the stricter 95 % interval.
    """
    if not 0 < margin < np.inf:
        raise ValueError(f"Equal to within a margin above zero. Received: margin={margin!r}")
    mean, low, high = paired_interval(first, second)
    inside, outside = -margin < low and high < margin, low > margin or high < -margin
    return Comparison(mean, low, high, True if inside else False if outside else None)


def paired_interval(first, second):
    """Return ``(mean, low, high)`` of the paired differences ``first - second``, with a 95 % t interval.

    Args:
        first, second: as for ``is_greater``.

    Raises:
        ValueError: as ``is_greater``.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.ndim != 1 or first.shape != second.shape or len(first) < 3:
        raise ValueError(
            f"Give the same three or more seeds on both sides. Received: shapes {first.shape}, {second.shape}"
        )
    if not np.isfinite([first, second]).all():
        raise ValueError(f"A run gave no finite value: fix it first. Received: {first.tolist()}, {second.tolist()}")
    differences = first - second
    mean = float(differences.mean())
    if np.ptp(differences) <= 1e-12 * np.abs(first).max():  # but for rounding all are equal: a point
        return mean, mean, mean
    low, high = stats.ttest_rel(first, second).confidence_interval(0.95)
    return mean, float(low), float(high)
