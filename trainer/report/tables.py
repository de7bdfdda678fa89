"""How each class fares and which are taken for which, cut to what a person reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.catalog import Catalog
from trainer.predictions import Answer
from trainer.report.confusion import Confusion, Score, confused_pairs, confusion_matrix, score_classes

_MATRIX_CLASSES = 15
_PAIRS = 12
_CLASSES = 100


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What the report lists of its classes.

    scores  (how the class fares, its number of training images) of the worst classes
    hidden  number of classes that are not among them
    pairs   (pair, images that have the missed label), the most frequent
    matrix  a row of counts for each class, for few classes with one label an image; else empty
    """

    scores: Sequence[tuple[Score, int]]
    hidden: int
    pairs: Sequence[tuple[Confusion, int]]
    matrix: Sequence[Sequence[int]]


def make_tables(catalog: Catalog, answers: Sequence[Answer]) -> Tables:
    """The tables of a catalog's validation images."""
    wanted, given = [answer.labels for answer in answers], [answer.predicted for answer in answers]
    scores = score_classes(catalog.classes, wanted, given)
    images = {score.label: score.wanted for score in scores}
    trained = Counter(label for row in catalog.split("train") for label in row.labels)
    worst = sorted(scores, key=_badness)[:_CLASSES]
    few = catalog.task == "classification" and len(catalog.classes) <= _MATRIX_CLASSES
    return Tables(
        scores=[(score, trained[score.label]) for score in worst],
        hidden=len(scores) - len(worst),
        pairs=[(pair, images[pair.label]) for pair in confused_pairs(wanted, given)[:_PAIRS]],
        matrix=confusion_matrix(catalog.classes, wanted, given).tolist() if few else [],
    )


def _badness(score: Score) -> tuple[bool, float, int]:
    """Sorts the worst first, and last those of which nothing is known."""
    return score.f1 is None, score.f1 or 0.0, -score.wanted
