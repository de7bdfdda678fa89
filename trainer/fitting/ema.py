"""Exponential moving average of a model's weights."""

from __future__ import annotations

import copy

import torch

from trainer.model import Classifier


class Ema:
    """A copy of a model, in eval mode, that follows it.

    Its decay grows with the number of updates n, min(decay, (1 + n) / (10 + n)), so that the first steps of a short
    run do not weigh on it (the warm-up of TensorFlow's ExponentialMovingAverage). Counters are copied.

    updates  how many there have been
    """

    def __init__(self, model: Classifier, *, decay: float) -> None:
        self.model = copy.deepcopy(model).eval()
        self._decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: Classifier) -> None:
        """Take one step towards the present weights of `model`."""
        self.updates += 1
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        pairs = list(zip(self.model.state_dict().values(), model.state_dict().values(), strict=True))
        floating = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([own for own, _ in floating], [other for _, other in floating], 1 - decay)
        for own, other in pairs:
            if not own.is_floating_point():
                own.copy_(other)
