from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.training.metrics import activate, compute_metrics, wilson_interval


def test_softmax_and_sigmoid_survive_large_logits() -> None:
    logits = np.array([[1000.0, 0.0, -1000.0]], dtype=np.float32)
    assert activate(logits, "classification").tolist() == [[1.0, 0.0, 0.0]]
    assert activate(logits, "multilabel").tolist() == [[1.0, 0.5, 0.0]]


def test_classification_figures_by_hand() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    figures = compute_metrics(probabilities, np.array([0, 1, 1, 1]), task="classification")
    assert figures["accuracy"] == 0.75
    # class 0: precision 1/2, recall 1; class 1: precision 1, recall 2/3; class 2 is in no target
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert figures["loss"] == pytest.approx(-np.log([0.8, 0.7, 0.3, 0.8]).mean())


def test_multilabel_figures_by_hand() -> None:
    probabilities = np.array([[0.9, 0.6], [0.8, 0.4], [0.3, 0.2]])
    targets = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    figures = compute_metrics(probabilities, targets, task="multilabel")
    # given: (0, 0) right, (0, 1) wrong, (1, 0) wrong; missed: (1, 1), (2, 0)
    assert figures["micro_f1"] == pytest.approx(2 * 1 / (3 + 3))
    assert figures["macro_f1"] == pytest.approx((0.5 + 0.0) / 2)
    assert figures["mean_average_precision"] == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2) / 2)
    assert compute_metrics(probabilities, targets, task="multilabel", thresholds=[0.2, 0.3])["micro_f1"] == (
        pytest.approx(2 * 3 / (5 + 3))
    )


def test_one_label_alone_is_a_label_and_not_two_classes() -> None:
    """The images without it counted as right too."""
    targets = np.array([[1], [1], [0], [0], [1]], dtype=np.float32)
    probabilities = np.array([[0.9], [0.2], [0.1], [0.3], [0.4]])
    figures = compute_metrics(probabilities, targets, task="multilabel")
    assert figures["micro_f1"] == figures["macro_f1"] == pytest.approx(2 * 1 / (1 + 3))


def test_a_class_without_images_is_left_out_of_the_means() -> None:
    probabilities = np.array([[0.9, 0.9], [0.1, 0.8]])
    targets = np.array([[1, 0], [0, 0]], dtype=np.float32)
    figures = compute_metrics(probabilities, targets, task="multilabel")
    assert figures["macro_f1"] == 1.0
    assert figures["mean_average_precision"] == 1.0


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
    [
        (81 / 263, 263, 0.2553, 0.3662),
        (15 / 148, 148, 0.0624, 0.1605),
        (0 / 20, 20, 0.0, 0.1611),
        (1.0, 29, 0.8830, 1.0),
    ],
)
def test_wilsons_interval(share: float, count: int, low: float, high: float) -> None:
    assert wilson_interval(share, count) == pytest.approx((low, high), abs=5e-5)


@given(count=st.integers(1, 10_000), data=st.data())
def test_an_interval_lies_between_0_and_1(count: int, data: st.DataObject) -> None:
    """Rounding put some a little outside: of none right, and of all."""
    for right in (0, count, data.draw(st.integers(0, count))):
        low, high = wilson_interval(right / count, count)
        assert 0 <= low <= right / count + 1e-12
        assert right / count - 1e-12 <= high <= 1
        assert f"{low:.0f}" != "-0"
