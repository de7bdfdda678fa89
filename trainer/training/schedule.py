"""The one-cycle schedule: step -> (rate, momentum)."""

from __future__ import annotations

import math


def one_cycle(
    step: int,
    *,
    steps: int,
    max_lr: float,
    start_divisor: float = 25.0,
    end_divisor: float = 2.5e5,
    rise_share: float = 0.3,
    momentum_high: float = 0.95,
    momentum_low: float = 0.85,
) -> tuple[float, float]:
    """Rate and momentum (Adam's beta1) of a step, with fast.ai's defaults.

    Cosine from peak / start_divisor up to the peak over the first `rise_share` of the steps, then cosine down to
    peak / end_divisor; momentum mirrors it (Smith and Topin 2017, arXiv:1708.07120; fastai v1 `fit_one_cycle`).
    The first step has the lowest rate of the rise, the last step that of the fall. Raises ValueError where the step
    is not one of 0 .. steps - 1.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step {step} is not one of {steps}")
    position = step / max(1, steps - 1)
    if position < rise_share:
        share = position / rise_share
        rate = _cosine(max_lr / start_divisor, max_lr, share)
        momentum = _cosine(momentum_high, momentum_low, share)
    else:
        share = (position - rise_share) / (1 - rise_share)
        rate = _cosine(max_lr, max_lr / end_divisor, share)
        momentum = _cosine(momentum_low, momentum_high, share)
    return rate, momentum


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
