"""Sets of labels: the finite-sample quantile, coverage, and agreement with MAPIE."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from trainer.abstention.conformal import images_needed, label_sets, set_quantile

Array = npt.NDArray[Any]


def draw(count: int, *, classes: int = 5, seed: int = 0) -> tuple[Array, npt.NDArray[np.int64]]:
    """Probabilities that say the truth: float64 [N, K], and labels that are drawn from them."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities, (probabilities.cumsum(axis=1) < random.random((count, 1))).sum(axis=1)


def right(probabilities: Array, targets: npt.NDArray[np.int64]) -> Array:
    return np.asarray(probabilities[np.arange(len(targets)), targets])


@pytest.mark.parametrize(("level", "needed"), [(0.95, 19), (0.9, 9), (0.99, 99), (0.8, 4), (0.5, 1), (0.999, 999)])
def test_with_fewer_images_than_the_level_needs_there_is_no_quantile(level: float, needed: int) -> None:
    assert images_needed(level) == needed
    assert needed + 1 >= 1 / (1 - level) - 1e-9 > needed
    assert set_quantile(np.full(needed - 1, 0.8), level=level) is None
    assert set_quantile(np.full(needed, 0.8), level=level) == pytest.approx(0.2, abs=1e-5)


def test_the_quantile_is_that_of_the_finite_sample() -> None:
    """Of 39 images the 38th smallest score, since 40 x 0.95 = 38."""
    probabilities = np.arange(39) / 100
    assert set_quantile(probabilities, level=0.95) == pytest.approx(np.sort(1 - probabilities)[37], abs=2e-6)


def test_sets_hold_the_right_label_as_often_as_the_level_says() -> None:
    """On average over draws of the calibration images, and not much more often."""
    level, held = 0.9, []
    probabilities, targets = draw(20_000, seed=1)
    for seed in range(300):
        calibration = draw(99, seed=1_000 + seed)
        quantile = set_quantile(right(*calibration), level=level)
        assert quantile is not None
        held.append(label_sets(probabilities, quantile)[np.arange(len(targets)), targets].mean())
    assert level - 0.006 < np.mean(held) < level + 1 / 100 + 0.006


def test_the_image_at_the_quantile_is_in_its_set_in_single_precision() -> None:
    for seed in range(20):
        probabilities, targets = draw(60, seed=seed)
        single = probabilities.astype(np.float32)
        quantile = set_quantile(right(single, targets), level=0.9)
        assert quantile is not None
        assert label_sets(single, quantile)[np.arange(60), targets].sum() >= math.ceil(61 * 0.9)


@pytest.mark.parametrize(("count", "level"), [(60, 0.9), (200, 0.95), (333, 0.8)])
def test_the_sets_are_those_of_mapie(count: int, level: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports
        from mapie.classification import SplitConformalClassifier

    class Known:
        """A classifier of MAPIE's kind, whose inputs are the probabilities."""

        classes_ = np.arange(5)
        n_features_in_ = 5

        def fit(self, _x: Array, _y: Array) -> Known:
            return self

        def predict_proba(self, x: Array) -> Array:
            return x

        def predict(self, x: Array) -> Array:
            return np.asarray(x.argmax(axis=1))

        def __sklearn_is_fitted__(self) -> bool:
            return True

    probabilities, targets = draw(count, seed=7)
    others, _ = draw(500, seed=8)
    theirs = SplitConformalClassifier(Known(), confidence_level=level, conformity_score="lac", prefit=True)
    theirs.conformalize(probabilities, targets)
    _, sets = theirs.predict_set(others)
    quantile = set_quantile(right(probabilities, targets), level=level)
    assert quantile is not None
    assert np.array_equal(label_sets(others, quantile), sets[:, :, 0])
