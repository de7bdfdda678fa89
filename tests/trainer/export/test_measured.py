from __future__ import annotations

import numpy as np
import pytest

from trainer.export.measured import reference, wilson_interval


def test_reference_of_a_classifier() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.0, 1.0]], dtype=np.float32)
    found = reference(probabilities, task="classification", thresholds=(0.0,))
    assert found["class_shares"] == [0.5, 0.5]
    assert sum(found["confidence_counts"]) == 4
    assert found["confidence_counts"][-1] == 1  # 1.0 is in the last bin
    assert (found["confidence_edges"][0], found["confidence_edges"][-1]) == (0.0, 1.0)


def test_reference_of_a_multilabel_model_uses_its_thresholds() -> None:
    probabilities = np.array([[0.4, 0.4], [0.2, 0.9]], dtype=np.float32)
    assert reference(probabilities, task="multilabel", thresholds=(0.3, 0.5))["class_shares"] == [0.5, 0.5]


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
