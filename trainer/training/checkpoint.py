"""Checkpoints as safetensors: the best weights, and the last state, from which a stopped training continues.

Every file is written completely or not at all.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from service.bundle.spec import Task
from trainer.atomic import atomic_write_bytes
from trainer.training.finetune import Finetuner
from trainer.training.metrics import PRIMARY_METRIC
from trainer.training.session import Session

_METADATA_KEY = "state"


@dataclass(frozen=True, kw_only=True)
class TrainingFiles:
    """Where a training keeps its state.

    Attributes:
        best: The weights of the best epoch.
        last: The last state, from which it continues.
        lr_find: The learning rates that were found.
    """

    best: Path
    last: Path
    lr_find: Path


@dataclass(kw_only=True)
class TrainingState:
    """What a training must remember besides the state of its `Finetuner`.

    Attributes:
        stage_seconds: Stage -> wall time so far.
        best: Metrics of the best epoch; empty before there is one, and without validation images.
        wait: Number of epochs since the last one with a better primary metric.
    """

    stage_seconds: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    wait: int = 0


class BestCheckpoint:
    """Keeps the weights of the best epoch in a file. The main process writes it."""

    def __init__(self, path: Path, *, task: Task, session: Session) -> None:
        self._path = path
        self._metric = PRIMARY_METRIC[task]
        self._is_main = session.distributed.is_main

    def update(self, model: nn.Module, metrics: dict[str, float], state: TrainingState) -> bool:
        """Save the weights if these metrics of the validation images are the best so far; returns whether they are.

        The primary metric decides; if it is equal, the lower loss. Without validation images there are no metrics, and
        each epoch is better than the one before.
        """
        is_best = not state.best or self._rank(metrics) > self._rank(state.best)
        if is_best:
            if self._is_main:
                save_weights(model, self._path)
            state.best = metrics
        return is_best

    def _rank(self, metrics: Mapping[str, float]) -> tuple[float, float]:
        return metrics[self._metric], -metrics["loss"]


class Checkpointer:
    """Saves the last state of fine-tuning again and again. The main process writes it."""

    def __init__(self, path: Path, *, every_s: float, session: Session) -> None:
        self._path = path
        self._every_s = every_s
        self._session = session
        self._saved_at = time.perf_counter()

    def save(self, finetuner: Finetuner, state: TrainingState) -> None:
        """Save the present state, and count the time since the last one.

        Raises:
            FitError: A loss is not finite.
        """
        if not self._session.distributed.is_main:
            return
        now = time.perf_counter()
        state.stage_seconds["finetune"] = state.stage_seconds.get("finetune", 0.0) + now - self._saved_at
        self._saved_at = now
        tensors, values = finetuner.state_dict()
        history_bytes = self._session.history.length_bytes
        save_tensors(self._path, tensors, {**values, **dataclasses.asdict(state), "history_bytes": history_bytes})

    def save_if_due(self, finetuner: Finetuner, state: TrainingState) -> None:
        """Save the present state if the last one is old enough."""
        if time.perf_counter() - self._saved_at >= self._every_s:
            self.save(finetuner, state)


def restore(path: Path, finetuner: Finetuner, session: Session) -> TrainingState:
    """Restore what `Checkpointer.save` saved, on all processes; events of later steps are removed from the history."""
    values = session.distributed.broadcast(lambda: load_state(path))
    tensors = session.distributed.broadcast_tensors(lambda: load_tensors(path))
    finetuner.load_state_dict(tensors, values)
    session.history.truncate(values["history_bytes"])
    session.progress.info(f"resumed at step {finetuner.steps_done}")
    return TrainingState(**{item.name: values[item.name] for item in dataclasses.fields(TrainingState)})


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the model's state dict; replaces the file."""
    save_tensors(path, model.state_dict(), {})


def load_weights(model: nn.Module, path: Path) -> None:
    """Read what `save_weights` wrote into a model of the same shape."""
    model.load_state_dict(safetensors.torch.load_file(path))


def save_tensors(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write tensors and JSON values into one file; replaces the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    atomic_write_bytes(path, safetensors.torch.save(copies, metadata={_METADATA_KEY: json.dumps(state)}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors that `save_tensors` wrote."""
    return safetensors.torch.load_file(path)


def load_state(path: Path) -> dict[str, Any]:
    """The JSON values that `save_tensors` wrote."""
    with safetensors.safe_open(path, "pt") as file:
        state: dict[str, Any] = json.loads(file.metadata()[_METADATA_KEY])
        return state
