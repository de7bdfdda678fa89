"""Which things belong together, directly or through others: a union-find forest over numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]


class Links:
    """Groups of N things, which grow as things are linked."""

    def __init__(self, count: int) -> None:
        """Start with N groups of one thing each."""
        self._parents = np.arange(count, dtype=np.int64)  # the parent of a thing is never a later thing

    def join(self, one: int, others: Positions) -> None:
        """Put one thing and others, int64 [M], into one group."""
        roots = self._roots(np.append(others, one))
        if (roots != roots[0]).any():
            self._parents[roots] = self._parents[others] = roots.min()

    def join_pairs(self, first: Positions, second: Positions) -> None:
        """Put both things of every pair into one group: int64 [P] and [P]."""
        while len(first):
            ours, theirs = self._roots(first), self._roots(second)
            apart = ours != theirs
            first, second = first[apart], second[apart]
            lower, higher = np.minimum(ours, theirs)[apart], np.maximum(ours, theirs)[apart]
            np.minimum.at(self._parents, higher, lower)

    def groups(self) -> Positions:
        """The group of each thing, int64 [N], from 0 in order of first appearance."""
        roots = self._roots(np.arange(len(self._parents), dtype=np.int64))
        _, first, groups = np.unique(roots, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[groups].astype(np.int64)

    def _roots(self, things: Positions) -> Positions:
        above = self._parents[things]
        while not np.array_equal(above, self._parents[above]):
            above = self._parents[above]
        return above
