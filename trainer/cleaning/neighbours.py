"""The nearest images of each image, near duplicates left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Targets = npt.NDArray[Any]  # int64 [N], or float32 [N, K] of 0 and 1 for several labels an image

NEIGHBOURS = 40
_MOST_KEYS = 20_000
_BLOCK_ROWS = 1024
_TEMPERATURE = 0.1  # of a similarity: how much less a farther neighbour counts


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbours:
    """The k nearest of N images, the nearest first; with few images, some are missing.

    Attributes:
        positions: int64 [N, k], of the neighbours.
        similarities: float32 [N, k], -1 to 1; -inf for one that is missing.
    """

    positions: IntArray
    similarities: FloatArray

    def votes(self, targets: Targets, *, class_count: int) -> Iterator[tuple[slice, FloatArray]]:
        """How much of the neighbours, weighted by their similarity, has each label.

        Args:
            targets: int64 [N], or float32 [N, K] of 0 and 1.
            class_count: K.

        Yields:
            Rows, and their votes, float32 [B, K], 0 to 1; 0 without any neighbour.
        """
        for start in range(0, len(self.positions), _BLOCK_ROWS):
            rows = slice(start, min(start + _BLOCK_ROWS, len(self.positions)))
            nearest = self.similarities[rows, :1]
            weights = np.exp((self.similarities[rows] - np.where(np.isfinite(nearest), nearest, 0)) / _TEMPERATURE)
            weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
            found = targets[self.positions[rows]]
            if targets.ndim == 2:
                yield rows, np.einsum("bk,bkc->bc", weights, found).astype(np.float32)
                continue
            votes = np.zeros((len(weights), class_count), dtype=np.float32)
            np.add.at(votes, (np.arange(len(weights))[:, np.newaxis], found), weights)
            yield rows, votes


def find_neighbours(units: FloatArray, groups: IntArray, *, seed: int, count: int = NEIGHBOURS) -> Neighbours:
    """Find the most similar images that are no near duplicates: these say nothing that the image itself does not say.

    Among more than 20,000 images, neighbours are searched for in a random sample of 20,000.

    Args:
        units: float32 [N, D], rows of length 1; see `near_duplicates.whiten`.
        groups: int64 [N], near duplicates; see `near_duplicate_groups`.
        seed: Of the sample.
        count: k; less if there are fewer images.
    """
    keys = np.arange(len(units), dtype=np.int64)
    if len(units) > _MOST_KEYS:
        keys = np.sort(np.random.default_rng(seed).choice(keys, _MOST_KEYS, replace=False))
    count = min(count, len(keys))
    key_units, key_groups = units[keys], groups[keys]
    positions = np.empty((len(units), count), dtype=np.int64)
    similarities = np.empty((len(units), count), dtype=np.float32)
    for start in range(0, len(units), _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, len(units)))
        products = units[rows] @ key_units.T
        products[groups[rows, np.newaxis] == key_groups] = -np.inf
        nearest = np.argpartition(products, -count, axis=1)[:, -count:]
        found = np.take_along_axis(products, nearest, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        positions[rows] = keys[np.take_along_axis(nearest, order, axis=1)]
        similarities[rows] = np.take_along_axis(found, order, axis=1)
    return Neighbours(positions=positions, similarities=similarities)
