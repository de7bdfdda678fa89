"""What tests of the training need to call it, and to see what it did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainer.data import PixelCache, TrainingData
from trainer.model import Backbone
from trainer.progress import NoProgress, Progress
from trainer.recipe import Recipe
from trainer.run import RunFolder
from trainer.training.finetune import EpochResult, Finetuner
from trainer.training.history import History
from trainer.training.loop import FitResult, fit
from trainer.training.session import Session, open_session

CPU = torch.device("cpu")


class RecordedProgress(NoProgress):
    """Keeps what a person would see.

    Attributes:
        infos: Lines that stay.
        warnings: Warnings.
        advances: The units of each advance.
    """

    def __init__(self) -> None:
        self.infos: list[str] = []
        self.warnings: list[str] = []
        self.advances: list[int] = []

    def advance(self, count: int = 1) -> None:
        """Keep it."""
        self.advances.append(count)

    def info(self, text: str) -> None:
        """Keep it."""
        self.infos.append(text)

    def warn(self, text: str) -> None:
        """Keep it."""
        self.warnings.append(text)


def cpu_session(data: TrainingData | PixelCache, *, progress: Progress | None = None) -> Session:
    """A session on the CPU that records nothing."""
    return open_session(data if isinstance(data, PixelCache) else data.train, CPU, progress=progress)


def fit_into(
    folder: Path,
    backbone: Backbone,
    data: TrainingData,
    recipe: Recipe,
    *,
    device: torch.device = CPU,
    progress: Progress | None = None,
) -> FitResult:
    """Fit, from the start or from the last checkpoint, with the files of a run in this folder."""
    run = RunFolder(folder)
    session = open_session(data.train, device, history=History(run.history), progress=progress)
    return fit(backbone, data, recipe, session, run.training_files)


def run_epoch(finetuner: Finetuner) -> EpochResult:
    """Run the next epoch, or what is left of the one that was saved."""
    for samples in finetuner.start_epoch():
        finetuner.train_step(samples)
    return finetuner.finish_epoch()


def read_events(folder: Path, name: str | None = None) -> list[dict[str, Any]]:
    """The events of the history in a run's folder; of one name, or all."""
    path = RunFolder(folder).history
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [event for event in events if name in (None, event["event"])]


def copy_state(module: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights and buffers."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed_names(before: dict[str, Tensor], module: nn.Module) -> set[str]:
    """The weights and buffers that are not what they were."""
    return {name for name, tensor in module.state_dict().items() if not torch.equal(before[name], tensor)}
