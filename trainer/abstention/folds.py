"""Parts of the images, so that none is judged by what was fitted on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDS = 5
_SEED = 21


def stratified_folds(targets: npt.NDArray[Any], *, count: int = FOLDS) -> npt.NDArray[np.int64]:
    """Divide images into folds of the same size, to one image, each with about the same mixture of classes.

    The images are shuffled, sorted by class and dealt out in turn, so that classes with fewer images than folds do not
    matter. An image with several labels counts as its rarest one. The same targets always give the same folds.

    Args:
        targets: int64 [N], or [N, K] of 0 and 1.
        count: Of folds.

    Returns:
        int64 [N], the number of each image's fold.
    """
    strata = targets if targets.ndim == 1 else _rarest_labels(targets > 0)
    shuffled = np.random.default_rng(_SEED).permutation(len(targets))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    folds = np.empty(len(targets), dtype=np.int64)
    folds[order] = np.arange(len(targets)) % count
    return folds


def each_fold(folds: npt.NDArray[np.int64]) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    """Yield for each fold which images something is fitted on, all others, and which it is used on: bool [N] twice."""
    for number in np.unique(folds):
        held_out = folds == number
        yield ~held_out, held_out


def _rarest_labels(has_label: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The label of each image that the fewest images have; K if it has none: [N]."""
    counts = np.append(has_label.sum(axis=0), len(has_label))
    everything = np.pad(has_label, ((0, 0), (0, 1)), constant_values=True)
    return np.asarray(np.where(everything, counts, len(has_label) + 1).argmin(axis=1))
