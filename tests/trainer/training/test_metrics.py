from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.training.metrics import activate, compute_metrics, paired_loss_interval, wilson_interval
from trainer.training.tasks.numbers import coarse_accuracy, sum_coarse

# Of three classes.
COARSE_INDICES = np.array([0, 1, 0])


def test_softmax_and_sigmoid_survive_large_logits() -> None:
    logits = np.array([[1000.0, 0.0, -1000.0]], dtype=np.float32)
    assert activate(logits, "classification").tolist() == [[1.0, 0.0, 0.0]]
    assert activate(logits, "multilabel").tolist() == [[1.0, 0.5, 0.0]]


def test_classification_metrics_by_hand() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    metrics = compute_metrics(probabilities, np.array([0, 1, 1, 1]), task="classification")
    assert metrics["accuracy"] == 0.75
    # Class 0: precision 1/2, recall 1. Class 1: precision 1, recall 2/3. Class 2 is in no target.
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert metrics["loss"] == pytest.approx(-np.log([0.8, 0.7, 0.3, 0.8]).mean())


def test_multilabel_metrics_by_hand() -> None:
    probabilities = np.array([[0.9, 0.6], [0.8, 0.4], [0.3, 0.2]])
    targets = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    metrics = compute_metrics(probabilities, targets, task="multilabel")
    # Predicted: (0, 0) correctly, (0, 1) and (1, 0) wrongly; missed: (1, 1), (2, 0).
    assert metrics["micro_f1"] == pytest.approx(2 * 1 / (3 + 3))
    assert metrics["macro_f1"] == pytest.approx((0.5 + 0.0) / 2)
    assert metrics["mean_average_precision"] == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2) / 2)
    assert compute_metrics(probabilities, targets, task="multilabel", thresholds=[0.2, 0.3])["micro_f1"] == (
        pytest.approx(2 * 3 / (5 + 3))
    )


def test_a_single_label_is_not_two_classes() -> None:
    """The images without it would count as correct too."""
    targets = np.array([[1], [1], [0], [0], [1]], dtype=np.float32)
    probabilities = np.array([[0.9], [0.2], [0.1], [0.3], [0.4]])
    metrics = compute_metrics(probabilities, targets, task="multilabel")
    assert metrics["micro_f1"] == metrics["macro_f1"] == pytest.approx(2 * 1 / (1 + 3))


def test_a_class_without_images_is_left_out_of_the_means() -> None:
    probabilities = np.array([[0.9, 0.9], [0.1, 0.8]])
    targets = np.array([[1, 0], [0, 0]], dtype=np.float32)
    metrics = compute_metrics(probabilities, targets, task="multilabel")
    assert metrics["macro_f1"] == 1.0
    assert metrics["mean_average_precision"] == 1.0


def test_a_coarse_label_has_the_probabilities_of_its_classes() -> None:
    summed = sum_coarse(np.array([[0.25, 0.5, 0.25], [0.1, 0.2, 0.7]], dtype=np.float32), COARSE_INDICES)
    assert summed.dtype == np.float64
    assert summed == pytest.approx(np.array([[0.5, 0.5], [0.8, 0.2]]))


def test_several_classes_of_one_coarse_label_together_outweigh_the_most_probable_class() -> None:
    probabilities = np.array([[0.3, 0.4, 0.3], [0.3, 0.4, 0.3], [0.05, 0.9, 0.05], [0.6, 0.3, 0.1]])
    targets = np.array([0, 1, 1, 2])
    assert coarse_accuracy(probabilities, targets, COARSE_INDICES) == 0.75
    metrics = compute_metrics(probabilities, targets, task="classification", coarse_indices=COARSE_INDICES)
    assert (metrics["accuracy"], metrics["coarse_accuracy"]) == (0.5, 0.75)


@pytest.mark.parametrize("coarse_indices", [None, np.zeros(0, dtype=np.int64)])
def test_without_coarse_labels_there_is_no_coarse_accuracy(coarse_indices: np.ndarray | None) -> None:
    metrics = compute_metrics(np.eye(3), np.arange(3), task="classification", coarse_indices=coarse_indices)
    assert set(metrics) == {"accuracy", "macro_f1", "loss"}


@pytest.mark.parametrize(
    ("fraction", "count", "low", "high"),
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
    [
        (81 / 263, 263, 0.2553, 0.3662),
        (15 / 148, 148, 0.0624, 0.1605),
        (0 / 20, 20, 0.0, 0.1611),
        (1.0, 29, 0.8830, 1.0),
    ],
)
def test_wilsons_interval(fraction: float, count: int, low: float, high: float) -> None:
    assert wilson_interval(fraction, count) == pytest.approx((low, high), abs=5e-5)


@given(count=st.integers(1, 10_000), data=st.data())
def test_an_interval_lies_between_0_and_1(count: int, data: st.DataObject) -> None:
    """Rounding must not put a limit outside, when none is correct or all are."""
    for correct in (0, count, data.draw(st.integers(0, count))):
        low, high = wilson_interval(correct / count, count)
        assert 0 <= low <= correct / count + 1e-12
        assert correct / count - 1e-12 <= high <= 1
        assert f"{low:.0f}" != "-0"


def test_the_interval_of_a_paired_loss() -> None:
    """By hand: 12 lost and 4 won of 300, half an image more in each of four cells."""
    before, after = np.ones(300, dtype=bool), np.ones(300, dtype=bool)
    after[:12], before[12:16] = False, False
    low, high = paired_loss_interval(before, after)
    assert (low + high) / 2 == pytest.approx(8 / 302)
    assert high - low == pytest.approx(2 * 1.959964 * math.sqrt(17 - 64 / 302) / 302)
    assert paired_loss_interval(after, before) == pytest.approx((-high, -low))


def test_few_images_without_a_difference_are_not_certain() -> None:
    same = np.ones(20, dtype=bool)
    low, high = paired_loss_interval(same, same)
    assert low == -high
    assert high == pytest.approx(0.089, abs=1e-3)
