"""An order in which similar classes are beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.cluster import hierarchy

IntArray = npt.NDArray[np.int64]
_MOST_TURNED = 300  # classes whose branches are turned for the best order: takes the cube of their number


def order_classes(vectors: npt.NDArray[np.floating[Any]], groups: Sequence[int] = ()) -> IntArray:
    """Order classes by average linkage of the cosine distances between them.

    Args:
        vectors: [K, C], one for each class: its mean features, or its row of a confusion matrix.
        groups: The coarse label of each class: classes of one stay together, and similar ones are beside each other.
            Empty: there are none.

    Returns:
        int64 [K], the classes in the new order.
    """
    units = _units(vectors)
    if not len(groups):
        return _order(units)
    members = np.asarray(groups)
    names = np.unique(members)
    means = np.stack([units[members == name].mean(axis=0) for name in names])
    ordered = [np.flatnonzero(members == names[number]) for number in _order(_units(means))]
    return np.concatenate([own[_order(units[own])] for own in ordered])


def _order(units: npt.NDArray[np.float64]) -> IntArray:
    if len(units) < 3:
        return np.arange(len(units), dtype=np.int64)
    distances = np.maximum(0, 1 - units @ units.T)[np.triu_indices(len(units), 1)]
    linked = hierarchy.linkage(distances, "average")
    if len(units) <= _MOST_TURNED:
        linked = hierarchy.optimal_leaf_ordering(linked, distances)
    return np.asarray(hierarchy.leaves_list(linked), dtype=np.int64)


def _units(vectors: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))
