from __future__ import annotations

import json

import numpy as np
import pytest

from trainer.abstention.calibration_error import calibration_error, claims_of
from trainer.abstention.folds import each_fold, stratified_folds
from trainer.abstention.reliability import calibration_of, calibration_of_bundle
from trainer.training.calibration import best_temperature, calibrate
from trainer.training.metrics import activate


def overconfident(count: int, *, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are three times too large, and labels drawn from the right ones."""
    random = np.random.default_rng(seed)
    right = 1.5 * random.normal(size=(count, classes))
    probabilities = activate(right, "classification")
    targets = (probabilities.cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)
    return (3 * right).astype(np.float32), targets


def test_calibration_takes_the_error_away() -> None:
    logits, targets = overconfident(600)
    found = calibration_of(logits, targets, task="classification")
    assert found is not None
    assert (found["images"], found["cross_fitted"]) == (600, True)
    assert found["before"]["ece"] > 0.15
    assert found["after"]["ece"] < found["perfect_ece"]["upper"]
    assert found["after"]["ece_interval"][0] == 0
    for name in ("loss", "brier", "adaptive_ece"):
        assert found["after"][name] < found["before"][name]
    before = activate(logits, "classification")
    assert found["before"]["ece"] == pytest.approx(
        calibration_error(claims_of(before, targets, task="classification")), abs=1e-6
    )
    one_hot = np.eye(4)[targets]
    assert found["before"]["brier"] == pytest.approx(((before - one_hot) ** 2).sum(axis=1).mean(), abs=1e-6)
    assert found["before"]["loss"] == pytest.approx(-np.log(before[np.arange(600), targets]).mean(), abs=1e-6)


def test_no_image_is_judged_by_a_temperature_that_saw_it() -> None:
    logits, targets = overconfident(100, seed=1)
    after = np.empty((100, 4))
    for others, held_out in each_fold(stratified_folds(targets)):
        temperature = best_temperature(logits[others], targets[others], task="classification")
        after[held_out] = activate(logits[held_out] / temperature, "classification")
    found = calibration_of(logits, targets, task="classification")
    assert found is not None
    expected = calibration_error(claims_of(after, targets, task="classification"))
    assert found["after"]["ece"] == pytest.approx(expected, abs=1e-6)
    assert found["coverage"]["error"][-1] == pytest.approx(np.mean(after.argmax(axis=1) != targets), abs=1e-6)


def test_multilabel_is_measured_over_images_and_classes() -> None:
    random = np.random.default_rng(2)
    right = 2 * random.normal(size=(200, 5)) - 1
    targets = (random.random((200, 5)) < activate(right, "multilabel")).astype(np.float32)
    found = calibration_of(3 * right, targets, task="multilabel")
    assert found is not None
    assert found["images"] == 200
    assert sum(part["count"] for part in found["bins"]) == 1_000
    assert found["before"]["ece"] > 2 * found["after"]["ece"]
    before = activate(3 * right, "multilabel")
    assert found["before"]["brier"] == pytest.approx(((before - targets) ** 2).mean(), abs=1e-6)
    # An answer is right only if all labels are; thresholds are those that did not see the image.
    correct = np.empty(200, dtype=bool)
    for others, held_out in each_fold(stratified_folds(targets)):
        fitted = calibrate(3 * right[others], targets[others], task="multilabel")
        labels = fitted.activate(3 * right[held_out]) >= fitted.thresholds
        correct[held_out] = (labels == targets[held_out]).all(axis=1)
    assert found["coverage"]["error"][-1] == pytest.approx(1 - correct.mean(), abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 19])
def test_fewer_than_20_images_say_nothing(count: int) -> None:
    logits, targets = overconfident(count)
    assert calibration_of(logits, targets, task="classification") is None
    assert calibration_of_bundle(activate(logits, "classification"), targets, task="classification") is None


def test_the_result_is_json_and_always_the_same() -> None:
    logits, targets = overconfident(20)
    found = calibration_of(logits, targets, task="classification")
    assert found is not None
    assert (
        json.loads(json.dumps(found, allow_nan=False))
        == found
        == calibration_of(logits, targets, task="classification")
    )
    assert {"bins", "coverage", "before", "after", "perfect_ece", "images", "cross_fitted"} == {*found}


@pytest.mark.parametrize("classes", [1, 2])
def test_one_or_two_classes_and_a_model_without_mistakes(classes: int) -> None:
    targets = np.arange(30) % classes
    logits = 50 * np.eye(classes, dtype=np.float32)[targets]
    found = calibration_of(logits, targets, task="classification")
    assert found is not None
    assert found["after"]["ece"] == pytest.approx(0, abs=0.05)
    assert set(found["coverage"]["error"]) == {0.0}


def test_a_bundle_is_measured_as_it_is() -> None:
    logits, targets = overconfident(300)
    probabilities = activate(logits, "classification").astype(np.float32)
    found = calibration_of_bundle(probabilities, targets, task="classification")
    before = calibration_of(logits, targets, task="classification")
    assert found is not None
    assert before is not None
    assert found["ece"] == pytest.approx(before["before"]["ece"], abs=1e-5)
    assert found["ece_interval"][0] > found["perfect_ece"]["upper"]
