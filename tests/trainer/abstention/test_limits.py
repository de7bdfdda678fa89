"""What is fitted on images: when a model abstains, and its sets; with figures on images that chose nothing of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from service.bundle.spec import Task
from service.tasks import TASKS as SERVED
from trainer.abstention.conformal import label_sets
from trainer.abstention.limits import LimitOptions, Limits, fit_limits
from trainer.abstention.risk import RiskBound
from trainer.training.calibration import calibrate
from trainer.training.tasks import TASKS

Array = npt.NDArray[Any]
FIVE_PERCENT = LimitOptions(bound=RiskBound(max_error=0.05, confidence=0.9), set_level=0.9)


def draw(task: Task, count: int, seed: int, *, classes: int = 4) -> tuple[Array, Array]:
    """Logits that are three times too large, and targets that are drawn from the true probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 5 if task == "classification" else 15, (count, classes))
    probabilities = TASKS[task].activate(logits)
    if task == "multilabel":
        targets = (random.random(logits.shape) < probabilities).astype(np.float32)
    else:
        targets = (probabilities.cumsum(axis=1) < random.random((count, 1))).sum(axis=1)
    return (3 * logits).astype(np.float32), targets


def found_on(task: Task, count: int, seed: int = 0, options: LimitOptions = FIVE_PERCENT) -> Limits:
    logits, targets = draw(task, count, seed)
    calibration = calibrate(logits, targets, task=task)
    return fit_limits(logits, targets, options, calibration=calibration, independent=True)


@pytest.mark.parametrize(("task", "count"), [("classification", 250), ("multilabel", 400)])
def test_the_bundle_keeps_the_bound_with_what_was_fitted_on_the_same_images(task: Task, count: int) -> None:
    """With the temperature and the thresholds of all images, on many others: in at least 90 % of the draws."""
    others, truth = draw(task, 20_000, 10_000)
    draws, broken, answered = 150, 0, 0
    for seed in range(draws):
        logits, targets = draw(task, count, seed)
        fitted = calibrate(logits, targets, task=task)
        abstain = fit_limits(logits, targets, FIVE_PERCENT, calibration=fitted, independent=True).abstain
        if abstain is None:
            continue
        probabilities = fitted.activate(others)
        kept = SERVED[task].certainty(probabilities, fitted.thresholds) >= abstain.threshold
        wrong = ~TASKS[task].correct(probabilities, truth, fitted.thresholds)
        broken += wrong[kept].mean() > 0.05
        answered += 1
    assert answered > draws / 2
    assert broken / draws <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / draws)


def test_what_metrics_say_of_a_threshold() -> None:
    found = found_on("classification", 400)
    assert found.abstain is not None
    report = found.report["abstain"]
    assert report["coverage"] == found.abstain.coverage == report["answered"] / 400
    assert report["errors"] / report["answered"] < 0.05
    assert (report["max_error"], report["confidence"], report["images"]) == (0.05, 0.9, 400)
    assert report["independent"] is True
    assert found.refused == {}


def test_what_metrics_say_of_sets() -> None:
    found = found_on("classification", 400)
    assert found.set is not None
    report = found.report["set"]
    assert (report["level"], report["quantile"], report["images"]) == (0.9, found.set.quantile, 400)
    assert 0.86 < report["coverage"] < 0.94
    assert 1 < report["mean_size"] < 3
    assert 0 < report["single"] < 1
    assert report["empty"] < 0.05
    others, truth = draw("classification", 20_000, 10_000)
    sets = label_sets(
        calibrate(*draw("classification", 400, 0), task="classification").activate(others), found.set.quantile
    )
    assert sets[np.arange(len(truth)), truth].mean() == pytest.approx(0.9, abs=0.04)


def test_sets_are_of_one_label_each_so_images_with_several_labels_have_none() -> None:
    found = found_on("multilabel", 300)
    assert found.set is None
    assert "set" not in found.report


def test_with_too_few_images_both_are_left_out_with_the_number_that_is_missing() -> None:
    found = found_on("classification", 8)
    assert (found.abstain, found.set) == (None, None)
    assert found.refused == {
        "abstain": "45 images answered without an error are needed for 5 % at 90 %, and there are 8: at least 37 more",
        "set": "sets that hold the right label in 90 % of the images need 9 images, and there are 8: 1 more",
    }
    assert found.report["abstain"]["images"] == found.report["set"]["images"] == 8


@pytest.mark.parametrize("task", ["classification", "multilabel"])
@pytest.mark.parametrize("count", [0, 1, 2, 19])
def test_any_number_of_images_can_be_asked(task: Task, count: int) -> None:
    logits, targets = draw(task, count, 0)
    calibration = calibrate(logits, targets, task=task)
    found = fit_limits(logits, targets, FIVE_PERCENT, calibration=calibration, independent=False)
    assert found.abstain is None
    assert found.report["abstain"]["independent"] is False
    assert ("set" in found.report) == (count > 0 and task == "classification")


def test_what_is_not_asked_for_is_not_reported() -> None:
    found = found_on("classification", 400, options=LimitOptions(bound=None, set_level=0))
    assert (found.abstain, found.set, found.report) == (None, None, {})


def test_the_threshold_and_the_coverage_are_those_of_the_model_itself() -> None:
    """In classification, whatever the order of the images."""
    logits, targets = draw("classification", 400, 0)
    calibration = calibrate(logits, targets, task="classification")
    order = np.random.default_rng(1).permutation(400)
    first, second = (
        fit_limits(logits[rows], targets[rows], FIVE_PERCENT, calibration=calibration, independent=True).abstain
        for rows in (np.arange(400), order)
    )
    assert first is not None
    assert first == second
    answered = calibration.activate(logits).max(axis=1) >= first.threshold
    assert answered.mean() == first.coverage
