"""The one rule by which the course compares two recipes over seeds; calibration of probabilities, and their priors."""

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


def calibration_error(probabilities, happened, bins=15, weights=None):
    """Return how far probabilities are from the frequencies of what they predict.

    Predictions are put into bins of equal width. The expected calibration error is the mean over all predictions of
    ``|frequency - mean probability|`` of their bin: 0 where, of all that got 0.7, seven in ten happen.

    Args:
        probabilities: ``(n,)``, of one event for each picture. For the error of Guo et al. it is the event that the
            answer is right: ``p.max(axis=1)``, and ``p.argmax(axis=1) == labels`` as what happened.
        happened: ``(n,)``, whether it did: booleans, or 0 and 1.
        bins: number of bins. With few pictures in each, chance alone gives an error above 0.
        weights: ``(n,)``, how much each picture counts; None for all alike.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: another shape, or probabilities that are none.

    Taught in lesson 14.

    Source: Guo et al., 2017, "On Calibration of Modern Neural Networks", section 2.

    Example::

        calibration_error([0.9, 0.9, 0.1, 0.1], [1, 1, 0, 0])  # 0.1
    """
    probabilities, happened = np.asarray(probabilities, float), np.asarray(happened, float)
    weights = np.ones(len(happened)) if weights is None else np.asarray(weights, float)
    if not (probabilities.shape == happened.shape == weights.shape and probabilities.ndim == 1):
        shapes = f"shapes {probabilities.shape}, {happened.shape}, {weights.shape}"
        raise ValueError(f"Give a probability, what happened and a weight for each picture. Received: {shapes}")
    if not ((0 <= probabilities) & (probabilities <= 1)).all():
        low, high = probabilities.min(), probabilities.max()
        raise ValueError(f"Give probabilities, not logits. Received: numbers from {low:.3g} to {high:.3g}")
    bin_of = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, weights * (happened - probabilities))
    return float(np.abs(gaps).sum() / weights.sum())


def correct_prior(logits, old_prior, new_prior, strength=1.0):
    """Return logits for a world in which the classes have other shares.

    ``z_k + strength * log(new_k / old_k)``. With strength 1 it is Bayes' rule, exact where the logits were right and
    pictures of a class look the same in both worlds.

    Args:
        logits: ``(..., num_classes)``.
        old_prior: ``(num_classes,)``, shares or numbers of the classes in training.
        new_prior: ``(num_classes,)``, of the classes in the world to come; all alike for the best balanced accuracy.
        strength: 0 for no correction, 1 for the whole.

    Returns:
        Array of the shape of the logits.

    Raises:
        ValueError: priors of another length, or a share that is not above zero.

    Taught in lesson 14.

    Source: Saerens, Latinne and Decaestecker, 2002, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities"; with a strength: Menon et al., 2021, "Long-Tail Learning via Logit Adjustment", section 4.

    Example::

        balanced = correct_prior(model.predict(images), np.bincount(train_labels), np.ones(num_classes))
    """
    old, new = np.asarray(old_prior, float), np.asarray(new_prior, float)
    if old.shape != (np.shape(logits)[-1],) or new.shape != old.shape or min(old.min(), new.min()) <= 0:
        raise ValueError(f"Give each class a share above zero. Received: old_prior={old}, new_prior={new}")
    return logits + strength * (np.log(new / new.sum()) - np.log(old / old.sum()))
