from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
import pytest

from trainer.training.lr_find.suggestions import Suggestions, choose_lr, read_suggestions
from trainer.training.lr_find.sweep import SweepCurve

LRS = np.geomspace(1e-6, 1, 61)  # ten points a decade
DECADES = np.log10(LRS)


FloatArray = npt.NDArray[np.float64]


def curve_of(losses: FloatArray, *, lrs: FloatArray = LRS, noise: float = 0.0, diverged: bool = True) -> SweepCurve:
    """A curve whose sweeps are at most `noise` away from their median."""
    return SweepCurve(
        lrs=lrs, losses=losses, lowest=losses - noise, highest=losses + noise, diverged=diverged, seconds=1.0
    )


def falls_once(middle: float) -> FloatArray:
    """Flat, a fall of about one decade around `middle`, and a rise after it."""
    return 2 - np.tanh(2 * (DECADES - middle)) + np.exp(8 * (DECADES - middle - 1.8))


def longest_fall(losses: FloatArray) -> int:
    """The length of the longest falling subsequence, by trying all of them."""
    return max(
        size
        for size in range(1, len(losses) + 1)
        for picked in combinations(losses, size)
        if all(first > second for first, second in pairwise(picked))
    )


def test_a_curve_that_falls_once_gives_three_suggestions() -> None:
    losses = falls_once(-3.0)
    found = read_suggestions(curve_of(losses))
    assert np.log10(found.steepest) == pytest.approx(-3.0, abs=0.11)
    assert found.minimum_tenth == pytest.approx(LRS[losses.argmin()] / 10)
    assert np.log10(found.valley) == pytest.approx((-6 + DECADES[losses.argmin()]) / 2, abs=0.11)


def test_the_valley_is_halfway_down_the_longest_fall_whatever_lies_between() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        losses = random.random(9)
        lrs = np.geomspace(1, 2, 9)
        length = longest_fall(losses)
        end = next(end for end in range(9) if longest_fall(losses[: end + 1]) == length)
        assert read_suggestions(curve_of(losses, lrs=lrs)).valley == pytest.approx(lrs[end - length // 2])


def test_suggestions_agree_if_the_largest_is_at_most_three_times_the_smallest() -> None:
    assert Suggestions(valley=1e-3, steepest=3e-3, minimum_tenth=2e-3).agree
    assert not Suggestions(valley=1e-3, steepest=3.1e-3, minimum_tenth=2e-3).agree


def test_if_the_loss_falls_the_mean_of_the_suggestions_is_chosen() -> None:
    losses = falls_once(-3.0)
    lr, rule = choose_lr(curve_of(losses, noise=0.1), recipe_lr=4e-3)
    found = read_suggestions(curve_of(losses))
    assert rule == "mean"
    assert lr == found.mean == pytest.approx((found.valley * found.steepest * found.minimum_tenth) ** (1 / 3))


def test_if_the_loss_only_rises_the_last_learning_rate_before_is_chosen() -> None:
    """As after a head stage: the suggestions read noise."""
    noise = np.random.default_rng(0).normal(0, 0.01, len(LRS))
    losses = 1 + noise + np.maximum(0, DECADES + 2.5)
    lr, rule = choose_lr(curve_of(losses, noise=0.02), recipe_lr=4e-3)
    assert rule == "edge"
    assert -2.6 < np.log10(lr) < -2.3


def test_a_fall_that_is_smaller_than_the_noise_is_ignored() -> None:
    """Else a hundredth of the right learning rate is chosen."""
    losses = 1 - 0.002 * np.arange(len(LRS)) + np.maximum(0, 2 * (DECADES + 1))
    assert choose_lr(curve_of(losses, noise=0.01), recipe_lr=4e-3)[1] == "mean"
    assert choose_lr(curve_of(losses, noise=0.06), recipe_lr=4e-3)[1] == "edge"


def test_a_sweep_that_neither_falls_nor_diverges_gives_the_learning_rate_of_the_recipe() -> None:
    """A network that knows nothing learns nothing in so few steps: the last learning rate of all is not its edge."""
    losses = np.log(10) + np.random.default_rng(0).normal(0, 0.005, len(LRS))
    assert choose_lr(curve_of(losses, noise=0.02, diverged=False), recipe_lr=4e-3) == (4e-3, "recipe")
    # If it diverges at the end, within the points that are not shown, its edge is there.
    assert choose_lr(curve_of(losses, noise=0.02), recipe_lr=4e-3) == (LRS[-1], "edge")
    risen = losses + np.maximum(0, DECADES + 1)
    assert choose_lr(curve_of(risen, diverged=False), recipe_lr=4e-3)[1] == "edge"
