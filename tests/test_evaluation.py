import numpy as np
import pytest

from helpers.evaluation import is_equal, is_greater, paired_interval


def test_interval_has_the_known_answer():
    mean, low, high = paired_interval([2, 4, 6], [1, 2, 3])  # differences 1, 2, 3; t(0.975, 2) = 4.30265
    assert mean == 2
    assert (low, high) == pytest.approx((2 - 4.30265 / 3**0.5, 2 + 4.30265 / 3**0.5), abs=1e-4)


def test_interval_covers_the_truth_in_95_of_100_cases():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        seeds = rng.normal(0, 5, 5)  # what both sides share, and pairing takes away
        _, low, high = paired_interval(seeds + rng.normal(0.3, 1, 5), seeds + rng.normal(0, 1, 5))
        covered += low <= 0.3 <= high
    assert 0.935 < covered / 2000 < 0.965


@pytest.mark.parametrize(
    ("differences", "margin", "holds"),
    [
        ([0.030, 0.031, 0.029], 0.01, True),
        ([0.030, 0.031, 0.029], 0.05, None),  # greater, but not by the margin
        ([-0.030, -0.031, -0.029], 0.01, False),
        ([0.05, -0.03, 0.02], 0.0, None),
        ([0.02, 0.02, 0.02], 0.01, True),
        ([0.02, 0.02, 0.02], 0.02, None),  # the margin itself is not beyond the margin
        ([0.0, 0.0, 0.0], 0.0, None),
    ],
)
def test_greater(differences, margin, holds):
    result = is_greater(differences, np.zeros(3), margin)
    assert result.holds is holds
    assert result.low <= result.mean <= result.high


@pytest.mark.parametrize(
    ("differences", "margin", "holds"),
    [
        ([0.001, -0.001, 0.000], 0.01, True),
        ([0.030, 0.031, 0.029], 0.01, False),
        ([-0.030, -0.031, -0.029], 0.01, False),
        ([0.01, -0.01, 0.00], 0.01, None),
        ([0.0, 0.0, 0.0], 0.001, True),
    ],
)
def test_equal(differences, margin, holds):
    assert is_equal(differences, np.zeros(3), margin).holds is holds


def test_rounding_is_no_spread():
    result = is_greater([0.81, 0.82, 0.83], [0.80, 0.81, 0.82])
    assert result.holds is True and result.low == result.high == pytest.approx(0.01)


def test_equal_needs_a_margin():
    with pytest.raises(ValueError, match="above zero. Received: margin=0"):
        is_equal([1, 2, 3], [1, 2, 3], 0)


@pytest.mark.parametrize(
    ("first", "second", "margin", "message"),
    [
        ([1, 2], [1, 2], 0.1, "three or more seeds"),
        ([1, 2, 3], [1, 2, 3, 4], 0.1, "same three or more"),
        ([1, 2, np.nan], [1, 2, 3], 0.1, "no finite value"),
        ([1, 2, 3], [1, 2, 3], -1, "Received: margin=-1"),
        ([1, 2, 3], [1, 2, 3], np.inf, "Received: margin=inf"),
        ([1, 2, 3], [1, 2, 3], np.nan, "Received: margin=nan"),
    ],
)
def test_bad_input_is_refused(first, second, margin, message):
    for rule in (is_greater, is_equal):
        with pytest.raises(ValueError, match=message):
            rule(first, second, margin)
