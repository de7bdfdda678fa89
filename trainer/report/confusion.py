"""How well each class is predicted, and which classes are confused: true and predicted labels in, numbers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.training.metrics import wilson_interval

Labels = frozenset[str]


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """Precision, recall and F1 of one class.

    Attributes:
        label: The class.
        true_count: Number of images that have the label.
        predicted_count: Number of images for which it is predicted.
        correct_count: Number of images for which both hold.
    """

    label: str
    true_count: int
    predicted_count: int
    correct_count: int

    @property
    def precision(self) -> float | None:
        """Fraction of the images predicted as this class that have it; None if it is never predicted."""
        return self.correct_count / self.predicted_count if self.predicted_count else None

    @property
    def recall(self) -> float | None:
        """Fraction of the images of this class for which it is predicted; None if there are none."""
        return self.correct_count / self.true_count if self.true_count else None

    @property
    def recall_interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the recall; None if no image has the class."""
        return wilson_interval(self.correct_count / self.true_count, self.true_count) if self.true_count else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None if no image has the class."""
        return 2 * self.correct_count / (self.true_count + self.predicted_count) if self.true_count else None


@dataclass(frozen=True, kw_only=True)
class ConfusedPair:
    """Two classes, and the number of images for which the first was missed and the second wrongly predicted."""

    label: str
    predicted: str
    count: int


def score_classes(classes: Sequence[str], true: Sequence[Labels], predicted: Sequence[Labels]) -> list[ClassScore]:
    """Compute precision, recall and F1 of every class.

    Args:
        classes: Every label.
        true: True labels of each image: one for classification, any number for multilabel.
        predicted: Predicted labels of each image.

    Returns:
        One score per class, in the order of `classes`.
    """
    correct = [labels & guesses for labels, guesses in zip(true, predicted, strict=True)]
    true_counts, predicted_counts, correct_counts = (
        Counter(label for labels in sets for label in labels) for sets in (true, predicted, correct)
    )
    return [
        ClassScore(
            label=label,
            true_count=true_counts[label],
            predicted_count=predicted_counts[label],
            correct_count=correct_counts[label],
        )
        for label in classes
    ]


def most_confused(true: Sequence[Labels], predicted: Sequence[Labels]) -> list[ConfusedPair]:
    """Count the pairs of a missed label and a wrongly predicted one on the same image.

    Args:
        true: True labels of each image.
        predicted: Predicted labels of each image.

    Returns:
        Every pair that occurs, the most frequent first; ties in alphabetical order.
    """
    pairs = Counter(
        (missed, wrong)
        for labels, guesses in zip(true, predicted, strict=True)
        for missed in labels - guesses
        for wrong in guesses - labels
    )
    ranked = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return [ConfusedPair(label=missed, predicted=wrong, count=count) for (missed, wrong), count in ranked]


def confusion_matrix(
    classes: Sequence[str], true: Sequence[Labels], predicted: Sequence[Labels]
) -> npt.NDArray[np.int64]:
    """Count the images of each class by their predicted class.

    Args:
        classes: Every label.
        true: True label of each image, exactly one.
        predicted: Predicted label of each image, exactly one.

    Returns:
        int64 [K, K]: a row for each true class, a column for each predicted class.
    """
    index = {label: number for number, label in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for (label,), (guess,) in zip(true, predicted, strict=True):
        matrix[index[label], index[guess]] += 1
    return matrix
