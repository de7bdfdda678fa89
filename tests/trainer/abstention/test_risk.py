"""The smallest threshold with a bounded error: exact, and kept by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from trainer.abstention.risk import BoolArray, RiskBound, bounded_threshold, why_none

FloatArray = npt.NDArray[np.float64]
TWO_PERCENT = RiskBound(max_error=0.02, confidence=0.95)


@pytest.mark.parametrize(
    ("max_error", "confidence", "needed"),
    [(0.02, 0.95, 149), (0.01, 0.95, 299), (0.05, 0.95, 59), (0.05, 0.9, 45), (0.1, 0.99, 44), (0.5, 0.75, 2)],
)
def test_how_many_images_must_be_answered_without_an_error(max_error: float, confidence: float, needed: int) -> None:
    """The exact bound (Clopper and Pearson) is at most max_error with so many, and above it with one fewer."""
    assert RiskBound(max_error=max_error, confidence=confidence).images_needed == needed
    assert stats.beta.ppf(confidence, 1, needed) <= max_error + 1e-12
    assert needed == 1 or stats.beta.ppf(confidence, 1, needed - 1) > max_error


def test_without_an_error_all_images_are_answered() -> None:
    certainty = np.linspace(0.3, 1, 149)
    found = bounded_threshold(certainty, np.ones(149, dtype=np.bool_), TWO_PERCENT)
    assert found is not None
    assert (found.threshold, found.answered, found.errors) == (0.0, 149, 0)


def test_with_one_image_too_few_the_number_that_is_missing_is_said() -> None:
    certainty, correct = np.linspace(0.3, 1, 120), np.ones(120, dtype=np.bool_)
    assert bounded_threshold(certainty, correct, TWO_PERCENT) is None
    assert why_none(certainty, correct, TWO_PERCENT) == (
        "149 images answered without an error are needed for 2 % at 95 %, and there are 120: at least 29 more"
    )
    assert why_none(certainty[:0], correct[:0], TWO_PERCENT).endswith("there are 0: at least 149 more")


def test_the_threshold_is_between_two_images_and_last_digits_change_nothing() -> None:
    certainty = np.linspace(0.3, 1, 200)
    correct = certainty > 0.45
    found = bounded_threshold(certainty, correct, TWO_PERCENT)
    assert found is not None
    ordered = np.sort(certainty)[::-1]
    assert found.threshold == pytest.approx((ordered[found.answered - 1] + ordered[found.answered]) / 2)
    assert found.answered == np.sum(certainty >= found.threshold)
    assert found.errors == np.sum(~correct[certainty >= found.threshold])
    order = np.random.default_rng(0).permutation(200)
    shaken = certainty + np.random.default_rng(1).uniform(-1e-7, 1e-7, 200)
    again = bounded_threshold(shaken[order].astype(np.float32), correct[order], TWO_PERCENT)
    assert again is not None
    assert (again.answered, again.errors) == (found.answered, found.errors)
    assert again.threshold == pytest.approx(found.threshold, abs=1e-6)


def test_images_with_the_same_certainty_are_answered_together() -> None:
    certainty = np.repeat([1.0, 0.5], [160, 40])
    correct = np.arange(200) < 160
    found = bounded_threshold(certainty, correct, TWO_PERCENT)
    assert found is not None
    assert (found.threshold, found.answered, found.errors) == (0.75, 160, 0)
    same = np.full(200, 0.9)
    assert bounded_threshold(same, correct, TWO_PERCENT) is None
    assert "40 among the 200 most certain images" in why_none(same, correct, TWO_PERCENT)


def test_why_there_is_none_says_how_many_images_would_do_or_that_none_would() -> None:
    """The estimate is checked: with so many images like these there is a threshold."""
    certainty = np.linspace(0.001, 1, 300)
    correct = certainty > 0.3
    correct[-5] = False
    assert why_none(certainty, correct, TWO_PERCENT) == (
        "too many errors for 2 % at 95 %: 1 among the 183 most certain images; "
        "about 1,200 images like these would do, and there are 300"
    )
    more = np.repeat(certainty, 4) + np.tile(np.arange(4) * 1e-4, 300)
    assert bounded_threshold(more, np.repeat(correct, 4), TWO_PERCENT) is not None
    wrong = np.random.default_rng(0).random(300) < 0.5
    assert why_none(certainty, wrong, TWO_PERCENT).endswith(
        "more images like these would not help, a larger error would"
    )


def rising(certainty: FloatArray) -> FloatArray:
    """How often an answer of this certainty is wrong: less often the more certain it is."""
    return 0.3 * (1 - certainty) ** 2


def overconfident(certainty: FloatArray) -> FloatArray:
    """As often wrong among the most certain images as among the others, as with wrong labels."""
    return np.where(certainty > 0.9, 0.019, 0.3 * (1 - certainty) ** 2)


def worst_on_top(certainty: FloatArray) -> FloatArray:
    """More often wrong the more certain it is: high thresholds break the bound, and middle ones keep it."""
    return np.where(certainty > 0.85, 0.08, 0.01)


def useless(certainty: FloatArray) -> FloatArray:
    """The certainty says nothing, and a few too many answers are wrong: every threshold breaks the bound."""
    return np.full(len(certainty), 0.0501)


RISKS: tuple[Callable[[FloatArray], FloatArray], ...] = (rising, overconfident, worst_on_top, useless)


def draw(risk: Callable[[FloatArray], FloatArray], count: int, seed: int) -> tuple[FloatArray, BoolArray]:
    random = np.random.default_rng(seed)
    certainty = random.uniform(0, 1, count)
    return certainty, random.random(count) >= risk(certainty)


def true_error(risk: Callable[[FloatArray], FloatArray], threshold: float) -> float:
    return float(risk(np.linspace(threshold, 1, 20_001)).mean())


@pytest.mark.parametrize("risk", RISKS)
@pytest.mark.parametrize("count", [100, 700])
def test_the_bound_is_kept_as_often_as_the_confidence_says(
    risk: Callable[[FloatArray], FloatArray], count: int
) -> None:
    """In at least 95 % of the draws, within three standard errors of their number."""
    bound, draws = RiskBound(max_error=0.05, confidence=0.95), 600
    broken = 0
    for seed in range(draws):
        found = bounded_threshold(*draw(risk, count, seed), bound)
        broken += found is not None and true_error(risk, found.threshold) > bound.max_error
    assert broken / draws <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / draws)


def test_the_bound_would_not_be_kept_without_the_test() -> None:
    """The largest number of answers with at most 5 % of errors breaks the bound in about half of the draws."""
    broken = 0
    for seed in range(200):
        certainty, correct = draw(rising, 300, seed)
        order = np.argsort(-certainty)
        share = np.cumsum(~correct[order]) / np.arange(1, 301)
        last = int(np.flatnonzero(share <= 0.05)[-1])
        broken += true_error(rising, float(certainty[order][last])) > 0.05
    assert broken > 60


def by_bisection(certainty: FloatArray, correct: BoolArray, bound: RiskBound) -> int:
    """How many images selection with guaranteed risk answers: algorithm 1 of Geifman and El-Yaniv 2017."""
    errors = np.cumsum(~correct[np.argsort(-certainty)])
    count, found = len(certainty), 0
    steps = math.ceil(math.log2(count))
    low, high = 1, count
    for _ in range(steps):
        middle = (low + high + 1) // 2
        if stats.binom.cdf(errors[middle - 1], middle, bound.max_error) <= (1 - bound.confidence) / steps:
            found, low = max(found, middle), middle
        else:
            high = middle - 1
        if low >= high:
            break
    return found


@pytest.mark.parametrize(("risk", "count"), [(rising, 300), (rising, 1500), (overconfident, 300)])
def test_more_images_are_answered_than_with_selection_with_guaranteed_risk(
    risk: Callable[[FloatArray], FloatArray], count: int
) -> None:
    bound = RiskBound(max_error=0.05, confidence=0.95)
    ours = other = 0
    for seed in range(60):
        certainty, correct = draw(risk, count, seed)
        found = bounded_threshold(certainty, correct, bound)
        ours += 0 if found is None else found.answered
        other += by_bisection(certainty, correct, bound)
    assert ours > other
