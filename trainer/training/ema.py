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
        # Found once: on a GPU a step of a small network is shorter than a walk through all of its modules.
        pairs = list(zip(self.model.state_dict().values(), model.state_dict().values(), strict=True))
        self._floating = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counters = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take one step towards the present weights of the model."""
        self.updates += 1
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        own, others = [pair[0] for pair in self._floating], [pair[1] for pair in self._floating]
        torch._foreach_lerp_(own, others, 1 - decay)
        for counter, other in self._counters:
            counter.copy_(other)
