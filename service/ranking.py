"""Classes in the order of their probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Label:
    """One class of an answer."""

    label: str
    index: int
    probability: float


class Ranking(Sequence[Label]):
    """Every class, most probable first; ties in class order. A label is made when it is asked for: few ever are."""

    def __init__(self, classes: Sequence[str], probabilities: npt.NDArray[np.float32]) -> None:
        """`probabilities` is float32 [K], in class order."""
        self._classes = classes
        self._probabilities = probabilities
        self._order = np.argsort(-probabilities, kind="stable")

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, position: int) -> Label: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[Label, ...]: ...

    def __getitem__(self, position: int | slice) -> Label | tuple[Label, ...]:
        if isinstance(position, slice):
            return tuple(self._label(index) for index in self._order[position].tolist())
        return self._label(int(self._order[position]))

    def __eq__(self, other: object) -> bool:
        """Whether the other has the same labels in the same order."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def at_least(self, thresholds: Sequence[float]) -> tuple[Label, ...]:
        """The labels at or over their class's threshold, in this order."""
        reached = self._probabilities >= np.asarray(thresholds)
        return tuple(self._label(index) for index in self._order[reached[self._order]].tolist())

    def _label(self, index: Any) -> Label:
        return Label(label=self._classes[index], index=index, probability=float(self._probabilities[index]))
