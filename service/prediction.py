"""What a model makes of one image: its classes with their probabilities, and where it sees the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from service.pixels import Picture

FloatArray = npt.NDArray[np.floating[Any]]
Float32Array = npt.NDArray[np.float32]

# Why a prediction is abstained: the image is too strange for the model, or the model is too uncertain.
Abstained = Literal["unknown", "unsure"]


@dataclass(frozen=True, kw_only=True)
class Label:
    """One class and its probability.

    Attributes:
        label: Name of the class.
        index: Its position in the bundle's list of classes.
        probability: 0..1.
    """

    label: str
    index: int
    probability: float


class Ranking(Sequence[Label]):
    """Every class, most probable first; equal probabilities in class order.

    A `Label` is created when it is read, since few of them ever are.
    """

    def __init__(self, classes: Sequence[str], probabilities: Float32Array) -> None:
        """Sort the classes.

        Args:
            classes: Names of the K classes.
            probabilities: float32 [K], in the order of `classes`.
        """
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
        """Return whether the other sequence has the same labels in the same order."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ranking({', '.join(f'{item.label!r} {item.probability:.3f}' for item in self[:5])}, ...)"

    def at_least(self, thresholds: float | Sequence[float]) -> tuple[Label, ...]:
        """Return the labels at or over the threshold of their class, most probable first.

        Args:
            thresholds: K numbers, in class order; or one for every class.
        """
        reached = self._probabilities >= np.asarray(thresholds)
        return tuple(self._label(index) for index in self._order[reached[self._order]].tolist())

    def _label(self, index: Any) -> Label:
        return Label(label=self._classes[index], index=index, probability=float(self._probabilities[index]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Heatmap:
    """Class activation map of one class (Zhou et al. 2016, arXiv:1512.04150): head[index] . features.

    Attributes:
        index: The class.
        values: float32 [h, w], row 0 is the top. Evidence for the class, scaled so that the largest value is 1;
            evidence against it is 0.
        box: (left, top, right, bottom) that the values cover, in upright original pixels.
    """

    index: int
    values: Float32Array
    box: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """The model's output for one image.

    Attributes:
        picture: The decoded image, as the model saw it.
        probabilities: float32 [K], in class order.
        ranked: Every class, most probable first.
        candidates: Classification: the most probable class; multilabel: the classes at or over their threshold. They
            are the labels, unless the prediction is abstained.
        abstained: Why the model gives no label: "unknown", the image is too strange for it, or "unsure", it is too
            uncertain; None if it gives what it has.
        ood: How strange the image is for the model; None if the model file does not say, or need not.
        label_set: The labels that the model cannot exclude, most probable first; None if the model file has no sets.
        heatmap: That of the best class, if it was requested.
        decode_ms: Wall time of decoding.
        infer_ms: Wall time of inference.
    """

    picture: Picture
    probabilities: Float32Array
    ranked: Sequence[Label]
    candidates: tuple[Label, ...]
    abstained: Abstained | None
    ood: float | None
    label_set: tuple[str, ...] | None
    heatmap: Heatmap | None
    decode_ms: float
    infer_ms: float

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels; none if the prediction is abstained."""
        return () if self.abstained else self.candidates

    @property
    def best(self) -> Label:
        """The most probable class, whether it is a label or not."""
        return self.ranked[0]
