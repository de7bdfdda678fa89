from __future__ import annotations

import numpy as np
import pytest

from trainer.training.metrics import coarse_accuracy, sum_coarse

GROUPS = np.array([0, 1, 0])


def test_a_group_has_the_probabilities_of_its_classes() -> None:
    summed = sum_coarse(np.array([[0.25, 0.5, 0.25], [0.1, 0.2, 0.7]], dtype=np.float32), GROUPS)
    assert summed.dtype == np.float64
    assert summed == pytest.approx(np.array([[0.5, 0.5], [0.8, 0.2]]))


def test_several_half_sure_classes_of_one_group_outweigh_the_best_class() -> None:
    probabilities = np.array([[0.3, 0.4, 0.3], [0.3, 0.4, 0.3], [0.05, 0.9, 0.05], [0.6, 0.3, 0.1]])
    targets = np.array([0, 1, 1, 2])
    assert coarse_accuracy(probabilities, targets, GROUPS) == 0.75  # of the classes themselves one is right
