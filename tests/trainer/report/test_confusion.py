from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from trainer.report.confusion import confusion_matrix, most_confused, score_classes

CLASSES = ("a", "b", "c", "d")


def labels(*cells: str) -> list[frozenset[str]]:
    """One set of labels per word, one label per letter; `-` is no label."""
    return [frozenset(cell.strip("-")) for cell in cells]


def test_scores_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    true, predicted = random.integers(0, 4, 200), random.integers(0, 4, 200)
    scores = score_classes(CLASSES, *([frozenset(CLASSES[k]) for k in indices] for indices in (true, predicted)))
    expected = metrics.precision_recall_fscore_support(true, predicted)
    for name, column in zip(("precision", "recall", "f1", "true_count"), expected, strict=True):
        assert [getattr(score, name) for score in scores] == pytest.approx(column.tolist())


def test_scores_of_multilabel_images() -> None:
    a, b, c, d = score_classes(CLASSES, labels("ab", "a", "-", "c"), labels("a", "ab", "b", "c"))
    assert (a.true_count, a.predicted_count, a.correct_count) == (2, 2, 2)
    assert (a.precision, a.recall, a.f1) == (1.0, 1.0, 1.0)
    assert (b.precision, b.recall, b.f1) == (0.0, 0.0, 0.0)
    assert c.f1 == 1.0
    assert (d.precision, d.recall, d.f1) == (None, None, None)


def test_the_most_frequent_pairs_come_first() -> None:
    pairs = most_confused(labels("a", "a", "a", "b", "c"), labels("b", "b", "c", "a", "c"))
    assert [(pair.label, pair.predicted, pair.count) for pair in pairs] == [("a", "b", 2), ("a", "c", 1), ("b", "a", 1)]


def test_a_label_that_is_only_missed_or_only_added_is_not_confused() -> None:
    pairs = most_confused(labels("ab", "a", "ab"), labels("a", "ab", "ac"))
    assert [(pair.label, pair.predicted, pair.count) for pair in pairs] == [("b", "c", 1)]


def test_the_matrix_has_a_row_for_each_true_class() -> None:
    matrix = confusion_matrix(CLASSES, labels("a", "a", "b", "d"), labels("a", "c", "b", "a"))
    assert matrix.tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
