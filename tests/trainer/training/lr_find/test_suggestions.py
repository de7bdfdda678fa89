from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
import pytest

from trainer.training.lr_find.suggestions import Suggestions, choose, suggest

RATES = np.geomspace(1e-6, 1, 61)  # ten points a decade
DECADES = np.log10(RATES)


def falls_once(middle: float) -> npt.NDArray[np.float64]:
    """Flat, a fall of about one decade around `middle`, and a rise behind it."""
    return 2 - np.tanh(2 * (DECADES - middle)) + np.exp(8 * (DECADES - middle - 1.8))


def longest_fall(losses: npt.NDArray[np.float64]) -> int:
    """The length of the longest falling subsequence, by trying all of them."""
    return max(
        size
        for size in range(1, len(losses) + 1)
        for picked in combinations(losses, size)
        if all(first > second for first, second in pairwise(picked))
    )


def test_a_curve_that_falls_once_is_read_three_ways() -> None:
    losses = falls_once(-3.0)
    found = suggest(RATES, losses)
    assert np.log10(found.steepest) == pytest.approx(-3.0, abs=0.11)
    assert found.minimum_tenth == pytest.approx(RATES[losses.argmin()] / 10)
    assert np.log10(found.valley) == pytest.approx((-6 + DECADES[losses.argmin()]) / 2, abs=0.11)


def test_the_valley_is_half_way_down_the_longest_fall_whatever_lies_between() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        losses = random.random(9)
        rates = np.geomspace(1, 2, 9)
        length = longest_fall(losses)
        end = next(end for end in range(9) if longest_fall(losses[: end + 1]) == length)
        assert suggest(rates, losses).valley == pytest.approx(rates[end - length // 2])


def test_suggestions_agree_within_three_times() -> None:
    assert Suggestions(valley=1e-3, steepest=3e-3, minimum_tenth=2e-3).agree
    assert not Suggestions(valley=1e-3, steepest=3.1e-3, minimum_tenth=2e-3).agree


def test_where_the_loss_falls_the_mean_of_the_suggestions_is_chosen() -> None:
    losses = falls_once(-3.0)
    rate, rule = choose(RATES, losses, lowest=losses - 0.1, highest=losses + 0.1, diverged=True, own=4e-3)
    found = suggest(RATES, losses)
    assert rule == "mean"
    assert rate == pytest.approx((found.valley * found.steepest * found.minimum_tenth) ** (1 / 3))


def test_where_the_loss_only_rises_the_last_rate_before_is_chosen() -> None:
    """As after a stage that trained the head: what the suggestions read is noise."""
    noise = np.random.default_rng(0).normal(0, 0.01, len(RATES))
    losses = 1 + noise + np.maximum(0, DECADES + 2.5)
    rate, rule = choose(RATES, losses, lowest=losses - 0.02, highest=losses + 0.02, diverged=True, own=4e-3)
    assert rule == "edge"
    assert -2.6 < np.log10(rate) < -2.3


def test_a_fall_that_is_lost_in_the_noise_is_none() -> None:
    """The median of a few steps fell from point to point, and a hundredth of the right rate was chosen."""
    losses = 1 - 0.002 * np.arange(len(RATES)) + np.maximum(0, 2 * (DECADES + 1))
    assert choose(RATES, losses, lowest=losses - 0.01, highest=losses + 0.01, diverged=True, own=4e-3)[1] == "mean"
    assert choose(RATES, losses, lowest=losses - 0.06, highest=losses + 0.06, diverged=True, own=4e-3)[1] == "edge"


def test_a_sweep_that_neither_falls_nor_bursts_does_not_say() -> None:
    """A network that knew nothing learned nothing in so few steps, and the last rate of all was taken for its edge."""
    losses = np.log(10) + np.random.default_rng(0).normal(0, 0.005, len(RATES))
    band = {"lowest": losses - 0.02, "highest": losses + 0.02}
    assert choose(RATES, losses, **band, diverged=False, own=4e-3) == (4e-3, "recipe")
    # One that burst at the end, within the points that are not shown, has its edge there.
    assert choose(RATES, losses, **band, diverged=True, own=4e-3) == (RATES[-1], "edge")
    risen = losses + np.maximum(0, DECADES + 1)
    assert choose(RATES, risen, lowest=risen, highest=risen, diverged=False, own=4e-3)[1] == "edge"
