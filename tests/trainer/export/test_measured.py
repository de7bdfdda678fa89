from __future__ import annotations

import numpy as np

from trainer.export.measured import reference


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
