"""Measures a model on the validation and some training images, and keeps its weights when it is the best so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from trainer.data import PixelCache, TrainingData
from trainer.errors import FitError
from trainer.model import Classifier
from trainer.progress import Progress
from trainer.training.checkpoint import save_weights
from trainer.training.distributed import SINGLE_PROCESS, Distributed
from trainer.training.evaluate import BATCH_SIZE, predict_distributed
from trainer.training.history import History
from trainer.training.memory import MicroBatch
from trainer.training.metrics import PRIMARY_METRIC, activate, measure


class BestCheckpoint:
    """The best model so far, in a file, which the main process writes.

    best         the figures of that model; empty before there is one
    micro_batch  how many images are measured at once
    """

    def __init__(
        self,
        path: Path,
        data: TrainingData,
        *,
        history: History,
        device: torch.device,
        progress: Progress,
        processes: Distributed = SINGLE_PROCESS,
    ) -> None:
        self.best: dict[str, float] = {}
        self.micro_batch = MicroBatch(BATCH_SIZE, device=device)
        self._path = path
        self._data = data
        self._history = history
        self._device = device
        self._progress = progress
        self._processes = processes

    def consider(self, model: Classifier, **circumstances: Any) -> None:
        """Measure, write a line of history with the circumstances, and save the weights if none were better.

        Raises FitError on the main process where an answer is no finite number.
        """
        data = self._data
        trained = self._measure(model, data.subset, data.subset_targets)
        figures = self._measure(model, data.valid, data.valid_targets)
        best = not self.best or self._rank(figures) > self._rank(self.best)
        if best:
            if self._processes.is_main:
                save_weights(model, self._path)
            self.best = figures
        self._history.write("epoch", **circumstances, train=trained, valid=figures, best=best)
        shown = "  ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in figures.items())
        told = "  ".join(
            f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else str(value)
            for name, value in circumstances.items()
        )
        self._progress.info(f"{told}  |  {shown}{'  *' if best else ''}")

    def _measure(self, model: Classifier, cache: PixelCache, targets: npt.NDArray[Any]) -> dict[str, float]:
        logits = predict_distributed(
            model,
            cache,
            processes=self._processes,
            device=self._device,
            progress=self._progress,
            micro_batch=self.micro_batch,
        )
        if self._processes.is_main and not np.isfinite(logits).all():
            raise FitError("the network's answers are no finite numbers any more; try a tenth of the rate with --lr")
        data, probabilities = self._data, activate(logits, self._data.task)
        return measure(probabilities, targets, task=data.task, coarse_indices=data.coarse_indices)

    def _rank(self, figures: dict[str, float]) -> tuple[float, float]:
        return figures[PRIMARY_METRIC[self._data.task]], -figures["loss"]
