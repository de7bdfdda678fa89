"""The one-cycle schedule (Smith and Topin 2017, arXiv:1708.07120)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """Learning rate and momentum of each step, with the names and defaults of fastai v1's `fit_one_cycle`.

    The learning rate rises from max_lr / div_factor to max_lr in the first `pct_start` of the steps, then falls to
    max_lr / final_div, both as a cosine. The momentum (Adam's beta1) does the opposite.

    Attributes:
        steps: Number of steps.
        max_lr: Highest learning rate.
        div_factor: max_lr divided by the learning rate of the first step.
        final_div: max_lr divided by the learning rate of the last step.
        pct_start: Fraction of the steps in which the learning rate rises.
        moms: Highest and lowest momentum.
    """

    steps: int
    max_lr: float
    div_factor: float = 25.0
    final_div: float = 2.5e5
    pct_start: float = 0.3
    moms: tuple[float, float] = (0.95, 0.85)

    def at(self, step: int) -> tuple[float, float]:
        """Learning rate and momentum of a step. Raises ValueError if it is not one of 0 .. steps - 1."""
        if not 0 <= step < self.steps:
            raise ValueError(f"step {step} is not one of {self.steps}")
        position = step / max(1, self.steps - 1)
        high, low = self.moms
        if position < self.pct_start:
            done = position / self.pct_start
            return _cosine(self.max_lr / self.div_factor, self.max_lr, done), _cosine(high, low, done)
        done = (position - self.pct_start) / (1 - self.pct_start)
        return _cosine(self.max_lr, self.max_lr / self.final_div, done), _cosine(low, high, done)


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))
