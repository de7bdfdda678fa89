from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trainer.training.calibration import best_temperature, calibrate
from trainer.training.metrics import activate
from trainer.training.tasks import TASKS


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_with_which_targets_were_drawn_is_found(temperature: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (20_000, 5)).astype(np.float32)
    probabilities = activate(logits / temperature, "classification")
    targets = (probabilities.cumsum(axis=1) > random.random((len(logits), 1))).argmax(axis=1)
    assert best_temperature(logits, targets, task="classification") == pytest.approx(temperature, rel=0.05)
    labels = (activate(logits / temperature, "multilabel") > random.random(logits.shape)).astype(np.float32)
    assert best_temperature(logits, labels, task="multilabel") == pytest.approx(temperature, rel=0.05)


def test_ten_correct_predictions_are_no_certainty() -> None:
    logits = np.eye(3, dtype=np.float32)[np.arange(10) % 3]
    calibration = calibrate(logits, np.arange(10) % 3, task="classification")
    assert calibration.activate(logits).max(axis=1) == pytest.approx(11 / 12, abs=0.01)
    assert calibration.thresholds == ()


@pytest.mark.parametrize("task", ["classification", "multilabel"])
@pytest.mark.parametrize("correct", [True, False])
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e6])
def test_logits_of_any_size_get_a_temperature(task: str, correct: bool, scale: float) -> None:
    logits = scale * np.eye(4, dtype=np.float32)
    targets = np.arange(4) if correct else np.roll(np.arange(4), 1)
    found = calibrate(logits, targets if task == "classification" else np.eye(4)[targets], task=task)  # type: ignore[arg-type]
    assert 0.1 <= found.temperature <= 10
    assert scale or found.temperature == 1
    assert np.isfinite(found.activate(logits)).all()


def test_a_single_class_has_the_temperature_1() -> None:
    assert calibrate(np.ones((3, 1), np.float32), np.zeros(3, int), task="classification").temperature == 1


def test_thresholds_apply_to_calibrated_probabilities() -> None:
    logits = np.array([[4.0], [2.0], [1.0], [-3.0]], dtype=np.float32)
    targets = np.array([[1.0], [1.0], [0.0], [0.0]], dtype=np.float32)
    calibration = calibrate(logits, targets, task="multilabel")
    assert ((calibration.activate(logits) >= calibration.thresholds) == (targets > 0)).all()


@given(
    probabilities=hnp.arrays(np.float32, (12, 3), elements=st.floats(0, 1, width=32)),
    targets=hnp.arrays(np.float32, (12, 3), elements=st.sampled_from([0.0, 1.0])),
)
def test_no_other_threshold_gives_a_better_f1(probabilities: np.ndarray, targets: np.ndarray) -> None:
    thresholds = TASKS["multilabel"].best_thresholds(probabilities, targets)
    for k in range(3):
        positive = targets[:, k] > 0
        if not positive.any():
            assert thresholds[k] == 0.5
            continue

        def f1(threshold: float, k: int = k, positive: np.ndarray = positive) -> float:
            predicted = probabilities[:, k] >= threshold
            return float(2 * (predicted & positive).sum() / (predicted.sum() + positive.sum()))

        assert 0 <= thresholds[k] <= 1
        assert f1(thresholds[k]) == pytest.approx(max(f1(value) for value in probabilities[:, k]))
