"""Cross-validation in which images of one group are in one fold.

If a photo is in the training set and the next one, taken a second later, in the validation set, any model looks good.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.training.tables import Row, write_rows


def assign_folds(labels: Sequence[str], groups: Sequence[int], *, count: int, seed: int) -> list[int | None]:
    """Assign each image to the fold, 0 to count - 1, in which it is evaluated; None: it is always trained on.

    Largest groups first, each goes to the fold that has least of its labels, and among those to the smallest. A group
    that holds all images of a label is always trained on: nothing could be learned about that label otherwise.

    Args:
        labels: Of each image.
        groups: Of each image: those with the same number stay together.
        count: Number of folds.
        seed: Order of groups of the same size.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for position, group in enumerate(groups):
        members[group].append(position)
    total = Counter(labels)
    held: list[Counter[str]] = [Counter() for _ in range(count)]
    folds: list[int | None] = [None] * len(labels)
    shuffled = np.random.default_rng(seed).permutation(sorted(members)).tolist()
    for group in sorted(shuffled, key=lambda group: -len(members[group])):
        own = Counter(labels[position] for position in members[group])
        if any(total[label] == number for label, number in own.items()):
            continue
        fold = min(range(count), key=lambda fold: (sum(held[fold][label] for label in own), held[fold].total()))
        held[fold] += own
        for position in members[group]:
            folds[position] = fold
    return folds


def write_folds(folder: Path, rows: Sequence[Row], folds: Sequence[int | None]) -> list[tuple[Path, Path]]:
    """Write the (train, valid) tables of each fold."""
    return [
        (
            write_rows(
                folder / f"train-{fold}.csv", [row for row, own in zip(rows, folds, strict=True) if own != fold]
            ),
            write_rows(
                folder / f"valid-{fold}.csv", [row for row, own in zip(rows, folds, strict=True) if own == fold]
            ),
        )
        for fold in sorted({own for own in folds if own is not None})
    ]
