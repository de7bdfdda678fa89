from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from trainer.abstention.calibration_error import (
    Claims,
    adaptive_calibration_error,
    calibration_error,
    calibration_interval,
    claims_of,
    perfect_calibration,
    reliability_bins,
)


def claims(probabilities: npt.ArrayLike, true: npt.ArrayLike) -> Claims:
    """Of images that make one claim each."""
    return Claims(
        probabilities=np.asarray(probabilities, dtype=np.float64).reshape(-1, 1), true=np.asarray(true).reshape(-1, 1)
    )


def drawn(count: int, *, too_high: float = 0.0, seed: int = 0) -> Claims:
    """Claims that are true as often as their probability says, or less often."""
    random = np.random.default_rng(seed)
    probabilities = random.beta(6, 1, size=count)
    return claims(probabilities, random.random(count) < probabilities - too_high * probabilities * (1 - probabilities))


def naive_error(found: Claims, edges: npt.ArrayLike) -> float:
    """The sum over the bins, each with its upper edge, as it is written in papers."""
    total = 0.0
    for low, high in itertools.pairwise(np.asarray(edges).tolist()):
        inside = [
            (probability, true)
            for probability, true in zip(found.probabilities.ravel(), found.true.ravel(), strict=True)
            if low < probability <= high or (low == probability == 0)
        ]
        if inside:
            confidence, accuracy = np.mean(inside, axis=0)
            total += len(inside) / found.true.size * abs(confidence - accuracy)
    return total


def test_known_errors() -> None:
    assert calibration_error(claims([1.0, 1.0, 1.0, 1.0], [True, True, True, True])) == 0
    assert calibration_error(claims([1.0, 1.0, 1.0, 1.0], [True, True, False, False])) == pytest.approx(0.5)
    assert calibration_error(claims([0.75] * 4, [True, True, True, False])) == pytest.approx(0)
    # Two bins, whose errors do not cancel.
    assert calibration_error(claims([0.9, 0.9, 0.5, 0.5], [True, True, False, False])) == pytest.approx(0.3)


def test_the_errors_are_those_of_a_plain_loop() -> None:
    edge_cases = claims([*np.arange(16) / 15, 0.2, 1e-300, 1 - 1e-16], [True, False] * 9 + [True])
    several = Claims(
        probabilities=np.random.default_rng(1).random((40, 7)), true=np.random.default_rng(2).random((40, 7)) < 0.4
    )
    for found in (edge_cases, several, drawn(301, too_high=0.5), drawn(3)):
        assert calibration_error(found) == pytest.approx(naive_error(found, np.arange(16) / 15))
    plain = drawn(301, too_high=0.5)
    values = np.sort(plain.probabilities.ravel())
    edges = [0, *(values[number * 301 // 15 - 1] for number in range(1, 15)), 1]
    assert adaptive_calibration_error(plain) == pytest.approx(naive_error(plain, edges))


def test_the_order_of_images_of_one_probability_changes_nothing() -> None:
    found = claims([0.9] * 30 + [1.0] * 30, [True] * 20 + [False] * 20 + [True] * 20)
    reversed_order = claims(found.probabilities[::-1], found.true[::-1])
    for measure in (calibration_error, adaptive_calibration_error):
        assert measure(found) == pytest.approx(measure(reversed_order))
    assert adaptive_calibration_error(found) == pytest.approx(abs(27 - 20) / 60 + abs(30 - 20) / 60)


def test_bins_say_what_was_claimed_and_what_was_true() -> None:
    bins = reliability_bins(claims([0.0, 0.95, 1.0, 0.5], [False, True, False, True]))
    assert len(bins) == 15
    assert sum(part.count for part in bins) == 4
    assert [number for number, part in enumerate(bins) if part.count] == [0, 7, 14]
    assert (bins[14].low, bins[14].high, bins[14].count) == (14 / 15, 1, 2)
    assert (bins[14].confidence, bins[14].accuracy) == (pytest.approx(0.975), 0.5)
    assert (bins[3].confidence, bins[3].accuracy) == (None, None)


def test_a_calibrated_model_is_in_the_band_of_perfect_calibration_19_times_of_20() -> None:
    draws = 100
    found = [drawn(150, seed=seed) for seed in range(draws)]
    above = sum(calibration_error(each) > perfect_calibration(each).upper for each in found)
    assert above <= 12  # 5 are expected; more than 12 have a probability of 0.1 %
    means = [perfect_calibration(each).mean for each in found[:10]]
    assert np.mean(means) == pytest.approx(np.mean([calibration_error(each) for each in found]), rel=0.1)


def test_a_model_that_is_too_sure_is_above_it() -> None:
    found = drawn(1_000, too_high=1)
    perfect = perfect_calibration(found)
    assert calibration_error(found) > perfect.upper > perfect.mean > 0
    low, high = calibration_interval(found, perfect)
    assert 0 < low < calibration_error(found) < high
    assert low <= calibration_error(drawn(300_000, too_high=1, seed=1)) <= high


def test_the_interval_has_0_if_perfect_calibration_may_show_as_much() -> None:
    """Each resample of 100 images of a calibrated model has a calibration error well above 0."""
    found = drawn(100)
    low, high = calibration_interval(found, perfect_calibration(found))
    assert low == 0
    assert high >= calibration_error(found)


def test_many_claims_are_drawn_in_groups_with_the_same_result() -> None:
    random = np.random.default_rng(3)
    probabilities = random.beta(0.05, 5, size=(2_000, 30))
    many = Claims(probabilities=probabilities, true=random.random(probabilities.shape) < probabilities)
    errors = [
        calibration_error(Claims(probabilities=probabilities, true=random.random(probabilities.shape) < probabilities))
        for _ in range(100)
    ]
    perfect = perfect_calibration(many)
    assert perfect.mean == pytest.approx(np.mean(errors), rel=0.1)
    assert perfect.upper == pytest.approx(np.quantile(errors, 0.95), rel=0.15)


def test_images_are_resampled_not_their_single_claims() -> None:
    """The claims of an image are right and wrong together, so they say less than those of as many images."""
    once = drawn(60, too_high=1)
    often = Claims(probabilities=np.repeat(once.probabilities, 50, axis=1), true=np.repeat(once.true, 50, axis=1))
    apart = claims(often.probabilities, often.true)
    perfect = perfect_calibration(once)
    assert calibration_interval(often, perfect) == pytest.approx(calibration_interval(once, perfect))
    low, high = calibration_interval(apart, perfect)
    assert high - low < 0.3 * np.subtract(*calibration_interval(often, perfect)[::-1])


def test_claims_of_the_two_tasks() -> None:
    probabilities = np.array([[0.7, 0.3], [0.4, 0.6]], dtype=np.float32)
    one = claims_of(probabilities, np.array([0, 0]), task="classification")
    assert one.probabilities.ravel().tolist() == pytest.approx([0.7, 0.6])
    assert one.true.ravel().tolist() == [True, False]
    several = claims_of(probabilities, np.array([[1, 0], [1, 1]], dtype=np.float32), task="multilabel")
    assert several.probabilities == pytest.approx(probabilities)
    assert several.true.tolist() == [[True, False], [True, True]]
