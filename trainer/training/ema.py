"""Exponential moving average of a model's weights."""

from __future__ import annotations

import copy

import torch

from trainer.model import Classifier


class Ema:
    """A copy of a model, in eval mode, whose weights are the average of the model's.

    Its decay grows with the number of updates n, min(decay, (1 + n) / (10 + n)), so that the first steps of a short
    training do not dominate it (the warm-up of TensorFlow's ExponentialMovingAverage). Counters are copied.

    Attributes:
        model: The copy.
        updates: Number of updates so far.
    """

    def __init__(self, model: Classifier, *, decay: float) -> None:
        self.model = copy.deepcopy(model).eval()
        self.updates = 0
        self._decay = decay
        # Listed once: on a GPU a step of a small network is shorter than a walk through all of its modules.
        pairs = list(zip(self.model.state_dict().values(), model.state_dict().values(), strict=True))
        self._floating = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counters = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the present weights of the model."""
        self.updates += 1
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        averages, weights = [pair[0] for pair in self._floating], [pair[1] for pair in self._floating]
        torch._foreach_lerp_(averages, weights, 1 - decay)
        for average, counter in self._counters:
            average.copy_(counter)
