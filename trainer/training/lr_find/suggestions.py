"""Which learning rates a sweep suggests, and which one is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from trainer.training.lr_find.sweep import SweepCurve

FloatArray = npt.NDArray[np.floating[Any]]

Rule = Literal["mean", "edge", "recipe"]

MAX_DISAGREEMENT = 3.0
_SHORTEST_VALLEY = 0.5  # of the points of the curve
_EDGE = 1.1  # times the lowest loss


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    """Three readings of one curve, each a learning rate.

    Attributes:
        valley: Halfway down the longest valley (the default of fastai 2).
        steepest: Where the loss falls fastest over the logarithm of the learning rate.
        minimum_tenth: A tenth of the learning rate with the lowest loss.
    """

    valley: float
    steepest: float
    minimum_tenth: float

    @property
    def disagreement(self) -> float:
        """The largest divided by the smallest."""
        lrs = (self.valley, self.steepest, self.minimum_tenth)
        return max(lrs) / min(lrs)

    @property
    def agree(self) -> bool:
        """Whether the largest is at most three times the smallest."""
        return self.disagreement <= MAX_DISAGREEMENT

    @property
    def mean(self) -> float:
        """The geometric mean of the three."""
        return float(np.cbrt(self.valley * self.steepest * self.minimum_tenth))


def read_suggestions(curve: SweepCurve) -> Suggestions:
    """Read the three suggestions off a curve of at least two points."""
    slopes = np.gradient(curve.losses, np.log(curve.lrs))
    return Suggestions(
        valley=float(curve.lrs[_longest_valley(curve.losses)[0]]),
        steepest=float(curve.lrs[slopes.argmin()]),
        minimum_tenth=float(curve.lrs[curve.losses.argmin()]) / 10,
    )


def choose_lr(curve: SweepCurve, *, recipe_lr: float) -> tuple[float, Rule]:
    """Choose the learning rate to train with, and say by which rule.

    mean    The geometric mean of the suggestions, if the curve falls: its longest valley has at least half of its
            points, and at its lowest point all sweeps are lower than at the start. The valley suggests a low learning
            rate and the two others high ones; a learning rate between them trains well.
    edge    The last learning rate at which the loss is at most a tenth over its lowest, if the curve does not fall: the
            model is trained already, a higher learning rate can only do harm, and the suggestions read noise.
    recipe  The recipe's, if the curve neither falls nor rises up to the last learning rate: the network knows nothing
            yet and learns too little in so few steps. Such a sweep says nothing.
    """
    losses = curve.losses
    _, length = _longest_valley(losses)
    if length >= _SHORTEST_VALLEY * len(losses) and curve.highest[losses.argmin()] < curve.lowest[0]:
        return read_suggestions(curve).mean, "mean"
    edge = int(np.flatnonzero(losses <= _EDGE * losses.min())[-1])
    if edge == len(losses) - 1 and not curve.diverged:
        return recipe_lr, "recipe"
    return float(curve.lrs[edge]), "edge"


def _longest_valley(losses: FloatArray) -> tuple[int, int]:
    """The point half its length before the end of the longest valley, and that length in points.

    A valley is a longest sequence of points, not necessarily neighbours, each lower than the one before; of several
    the one that ends first.
    """
    lengths = np.ones(len(losses), dtype=np.int64)
    for end in range(1, len(losses)):
        lengths[end] += lengths[:end][losses[:end] > losses[end]].max(initial=0)
    end, length = int(lengths.argmax()), int(lengths.max())
    return end - length // 2, length
