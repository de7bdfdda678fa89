"""Ends training that no longer gets better."""

from __future__ import annotations

from collections.abc import Mapping

from service.bundle.spec import Task
from trainer.training.metrics import PRIMARY_METRIC


class EarlyStopping:
    """Counts the epochs without a better leading figure.

    waited  how many there have been since the last better one
    """

    def __init__(self, epochs: int, *, task: Task) -> None:
        self.waited = 0
        self.figure = PRIMARY_METRIC[task]
        self._epochs = epochs

    @property
    def over(self) -> bool:
        """Whether that is as many as were asked for; never where that is 0."""
        return 0 < self._epochs <= self.waited

    def see(self, before: Mapping[str, float], after: Mapping[str, float]) -> None:
        """Take note of an epoch: the best figures before it (empty: none) and after it."""
        better = not before or after[self.figure] > before[self.figure]
        self.waited = 0 if better else self.waited + 1
