from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from trainer.report.confusion import confused_pairs, confusion_matrix, score_classes

CLASSES = ("a", "b", "c", "d")


def labels(*cells: str) -> list[frozenset[str]]:
    """Each word is an image, each letter a label of it."""
    return [frozenset(cell.strip("-")) for cell in cells]


def test_scores_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    wanted, given = random.integers(0, 4, 200), random.integers(0, 4, 200)
    scores = score_classes(CLASSES, *([frozenset(CLASSES[k]) for k in numbers] for numbers in (wanted, given)))
    expected = metrics.precision_recall_fscore_support(wanted, given)
    for name, column in zip(("precision", "recall", "f1", "wanted"), expected, strict=True):
        assert [getattr(score, name) for score in scores] == pytest.approx(column.tolist())


def test_scores_of_several_labels_an_image() -> None:
    a, b, c, d = score_classes(CLASSES, labels("ab", "a", "-", "c"), labels("a", "ab", "b", "c"))
    assert (a.wanted, a.given, a.right) == (2, 2, 2)
    assert (a.precision, a.recall, a.f1) == (1.0, 1.0, 1.0)
    assert (b.precision, b.recall, b.f1) == (0.0, 0.0, 0.0)
    assert c.f1 == 1.0
    assert (d.precision, d.recall, d.f1) == (None, None, None)


def test_the_most_frequent_confusions_come_first() -> None:
    pairs = confused_pairs(labels("a", "a", "a", "b", "c"), labels("b", "b", "c", "a", "c"))
    assert [(pair.label, pair.taken_for, pair.count) for pair in pairs] == [("a", "b", 2), ("a", "c", 1), ("b", "a", 1)]


def test_what_is_only_missed_or_only_added_is_no_confusion() -> None:
    pairs = confused_pairs(labels("ab", "a", "ab"), labels("a", "ab", "ac"))
    assert [(pair.label, pair.taken_for, pair.count) for pair in pairs] == [("b", "c", 1)]


def test_matrix_has_a_row_for_what_the_images_are() -> None:
    matrix = confusion_matrix(CLASSES, labels("a", "a", "b", "d"), labels("a", "c", "b", "a"))
    assert matrix.tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
