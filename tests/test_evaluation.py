import numpy as np
import pytest

from helpers.evaluation import calibration_error, correct_prior, is_equal, is_greater, paired_interval


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


def test_calibration_error_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    probabilities, weights = rng.random(500), rng.random(500) + 0.1
    happened, error = rng.random(500) < probabilities**2, 0  # overconfident
    for low in np.arange(10) / 10:
        inside = (probabilities >= low) & (probabilities < low + 0.1)
        frequency, mean = (np.average(each[inside], weights=weights[inside]) for each in (happened, probabilities))
        error += weights[inside].sum() / weights.sum() * abs(frequency - mean)
    assert calibration_error(probabilities, happened, bins=10, weights=weights) == pytest.approx(error)


def test_right_probabilities_are_calibrated_and_certainty_counts():
    probabilities = np.repeat([0.25, 0.75, 1.0], 400)
    happened = np.concatenate([np.arange(400) % 4 < often for often in (1, 3, 4)])
    assert calibration_error(probabilities, happened) == pytest.approx(0)
    assert calibration_error(np.ones(10), np.arange(10) < 6) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("probabilities", "happened", "words"),
    [([[0.5, 0.5]], [1], "for each picture"), ([2.0, -1.0], [1, 0], "not logits"), ([0.5], [1, 0], "for each picture")],
)
def test_calibration_error_refuses(probabilities, happened, words):
    with pytest.raises(ValueError, match=f"{words}.*Received"):
        calibration_error(probabilities, happened)


def test_corrected_prior_is_bayes_rule():
    from scipy.special import softmax
    from scipy.stats import norm

    x, centres, old, new = np.linspace(-3, 4, 50)[:, None], np.array([0, 1, 2]), [0.7, 0.2, 0.1], [0.2, 0.3, 0.5]
    given = {name: norm.pdf(x, centres) * np.array(prior) for name, prior in (("old", old), ("new", new))}
    right = given["new"] / given["new"].sum(axis=1, keepdims=True)
    corrected = correct_prior(np.log(given["old"]), old, new)
    assert softmax(corrected, axis=1) == pytest.approx(right)
    assert correct_prior(corrected, new, old) == pytest.approx(np.log(given["old"]))
    counts = correct_prior(np.log(given["old"]), [70, 20, 10], [2, 3, 5])
    assert counts == pytest.approx(corrected), "numbers serve as well as shares"
    half = correct_prior(correct_prior(np.log(given["old"]), old, new, 0.5), old, new, 0.5)
    assert half == pytest.approx(corrected)


@pytest.mark.parametrize("old", [[1, 0], [1, 1, 1], 0.5])
def test_a_prior_has_a_share_for_each_class(old):
    with pytest.raises(ValueError, match="above zero.*Received"):
        correct_prior(np.zeros((4, 2)), old, [1, 1])
