"""Which classes are told apart, and which are taken for which: from what the images are and what they were called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Labels = frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Score:
    """How one class fares, in images: that have it, that were given it, and both."""

    label: str
    wanted: int
    given: int
    right: int

    @property
    def precision(self) -> float | None:
        """Share of those given it that have it; None where none was given it."""
        return self.right / self.given if self.given else None

    @property
    def recall(self) -> float | None:
        """Share of those that have it that were given it; None where none has it."""
        return self.right / self.wanted if self.wanted else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where no image has it."""
        return 2 * self.right / (self.wanted + self.given) if self.wanted else None


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """In `count` images a label was missed and another stood in its place."""

    label: str
    taken_for: str
    count: int


def score_classes(classes: Sequence[str], wanted: Sequence[Labels], given: Sequence[Labels]) -> tuple[Score, ...]:
    """A score for each class, in their order.

    wanted, given  the labels of each image, and those it was given: one each for classification, any number for
                   multilabel
    """
    counts = [
        Counter(label for labels in sets for label in labels)
        for sets in (wanted, given, [has & got for has, got in zip(wanted, given, strict=True)])
    ]
    return tuple(
        Score(label=label, wanted=counts[0][label], given=counts[1][label], right=counts[2][label]) for label in classes
    )


def confused_pairs(wanted: Sequence[Labels], given: Sequence[Labels]) -> tuple[Confusion, ...]:
    """Every pair of a label that was missed and one wrongly given to the same image, the most frequent first."""
    pairs = Counter(
        (label, other) for has, got in zip(wanted, given, strict=True) for label in has - got for other in got - has
    )
    ranked = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confusion(label=label, taken_for=other, count=count) for (label, other), count in ranked)


def confusion_matrix(
    classes: Sequence[str], wanted: Sequence[Labels], given: Sequence[Labels]
) -> npt.NDArray[np.int64]:
    """int64 [K, K]: images of each class (row) by the class that they were given (column); one label an image."""
    index = {label: number for number, label in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for (label,), (other,) in zip(wanted, given, strict=True):
        matrix[index[label], index[other]] += 1
    return matrix
