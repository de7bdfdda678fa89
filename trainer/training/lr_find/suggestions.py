"""Which learning rates the curve of a sweep speaks for, and which one is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

Rule = Literal["mean", "edge", "recipe"]

MOST_APART = 3.0
_LEAST_VALLEY = 0.5
_EDGE = 1.1


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    """Three readings of one curve, each a learning rate.

    valley         half way down the longest valley (the default of fastai 2)
    steepest       where the loss falls fastest over the logarithm of the rate
    minimum_tenth  a tenth of the rate at which the loss is least
    """

    valley: float
    steepest: float
    minimum_tenth: float

    @property
    def agree(self) -> bool:
        """Whether the largest is at most three times the smallest."""
        return self.apart <= MOST_APART

    @property
    def apart(self) -> float:
        """The largest over the smallest."""
        rates = (self.valley, self.steepest, self.minimum_tenth)
        return max(rates) / min(rates)

    @property
    def mean(self) -> float:
        """The geometric mean of the three."""
        return float(np.cbrt(self.valley * self.steepest * self.minimum_tenth))


def suggest(rates: FloatArray, losses: FloatArray) -> Suggestions:
    """Read a curve: rising rates and smoothed losses, each [n], of at least two points."""
    slopes = np.gradient(losses, np.log(rates))
    return Suggestions(
        valley=float(rates[_valley(losses)[0]]),
        steepest=float(rates[slopes.argmin()]),
        minimum_tenth=float(rates[losses.argmin()]) / 10,
    )


def choose(
    rates: FloatArray, losses: FloatArray, *, lowest: FloatArray, highest: FloatArray, diverged: bool, own: float
) -> tuple[float, Rule]:
    """The rate to train with, and by which rule.

    losses, least, most  the median of several sweeps, the least and the most of them; each [n]
    burst                whether a sweep ended before its last rate, as its loss burst
    own                  the rate that the recipe has

    mean  the geometric mean of the suggestions, where the curve falls: its longest valley has at least half of its
          points, and at its lowest all sweeps are lower than at the beginning. The valley lies low, the others high;
          between them trains well
    edge  the last rate at which the loss is at most a tenth over its least, where the curve does not fall: the model is
          trained already, a higher rate can only do harm, and the suggestions read noise
    own   the recipe's, where the curve neither falls nor rises up to the last rate: a network that knows nothing yet
          and learns too little in so few steps. Such a sweep says nothing
    """
    _, length = _valley(losses)
    if length >= _LEAST_VALLEY * len(losses) and highest[losses.argmin()] < lowest[0]:
        return suggest(rates, losses).mean, "mean"
    edge = int(np.flatnonzero(losses <= _EDGE * losses.min())[-1])
    if edge == len(losses) - 1 and not diverged:
        return own, "recipe"
    return float(rates[edge]), "edge"


def _valley(losses: FloatArray) -> tuple[int, int]:
    """The point half way down the longest valley, half its length before its end; and that length in points.

    A valley is a longest sequence of points, not necessarily neighbours, each lower than the one before; of several
    the one that ends first.
    """
    lengths = np.ones(len(losses), dtype=np.int64)
    for end in range(1, len(losses)):
        lengths[end] += lengths[:end][losses[:end] > losses[end]].max(initial=0)
    end, length = int(lengths.argmax()), int(lengths.max())
    return end - length // 2, length
