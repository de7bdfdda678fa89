"""Measures a model on the validation images, and keeps its weights when it is the best so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from trainer.fitting.checkpoint import save_weights
from trainer.fitting.data import TrainingData
from trainer.fitting.evaluate import predict_logits
from trainer.fitting.history import History
from trainer.fitting.metrics import LEADING, activate, measure
from trainer.fitting.progress import Progress
from trainer.model import Classifier


class Keeper:
    """The best model so far, in a file.

    best  the figures of that model; empty before there is one
    """

    def __init__(
        self, path: Path, data: TrainingData, *, history: History, device: torch.device, progress: Progress
    ) -> None:
        self.best: dict[str, float] = {}
        self._path = path
        self._data = data
        self._history = history
        self._device = device
        self._progress = progress

    def consider(self, model: Classifier, **circumstances: Any) -> None:
        """Measure, write a line of history with the circumstances, and save the weights if none were better."""
        logits = predict_logits(model, self._data.valid, device=self._device)
        figures = measure(activate(logits, self._data.task), self._data.valid_targets, task=self._data.task)
        best = not self.best or self._rank(figures) > self._rank(self.best)
        if best:
            save_weights(model, self._path)
            self.best = figures
        self._history.write("epoch", **circumstances, valid=figures, best=best)
        shown = "  ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in figures.items())
        told = "  ".join(
            f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else str(value)
            for name, value in circumstances.items()
        )
        self._progress.say(f"{told}  |  {shown}{'  *' if best else ''}")

    def _rank(self, figures: dict[str, float]) -> tuple[float, float]:
        return figures[LEADING[self._data.task]], -figures["loss"]
