"""history.jsonl: what happens in a training, one JSON object a line, written as it happens.

The events and their values:

    step     every step of fine-tuning: epoch, lr, momentum, loss
    epoch    the metrics after every epoch: stage, epoch (0 is the head's), train, valid, best; of fine-tuning also
             train_loss, images_per_second
    stage    a stage is over: stage, seconds; of the features also images_per_second
    change   another image size, or other groups are frozen: epoch, size, frozen
    warning  stage, step, micro_batch, text
    stop     early stopping: stage, epoch, wait
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.training.tensorboard import TensorBoard

Metrics = Mapping[str, float]


class History:
    """Appends events to a file. What was written before a kill can be read after it."""

    def __init__(self, path: Path | None, *, board: TensorBoard | None = None) -> None:
        """Write to `path` (None: nowhere), and the same to the board, if there is one."""
        self._path = path
        self._board = board

    @property
    def length_bytes(self) -> int:
        """How much has been written."""
        return self._path.stat().st_size if self._path is not None and self._path.exists() else 0

    def truncate(self, length_bytes: int) -> None:
        """Remove what was written after the file had this length. With a board, call it before the first event.

        After a power cut the file may be shorter, or end in the middle of an event, which is removed too.
        """
        if self._path is not None and self._path.exists():
            os.truncate(self._path, _complete_bytes(self._path, most=length_bytes))
        if self._board is not None:
            self._board.start(self._count("step") if length_bytes else None)

    def event(self, name: str, **values: Any) -> None:
        """Append an event with its values. NaN and infinities are written as null."""
        self.events(name, [values])

    def events(self, name: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Append several events of one name."""
        if self._path is None:
            return
        lines = [json.dumps(_finite_or_null({"event": name, **values}), allow_nan=False) + "\n" for values in records]
        with open(self._path, "a", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())  # a checkpoint relies on what was written before it
        if self._board is not None:
            self._board.mirror(name, records)

    def _count(self, name: str) -> int:
        if self._path is None or not self._path.exists():
            return 0
        with open(self._path, encoding="utf-8") as file:
            return sum(json.loads(line)["event"] == name for line in file)


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """The metrics after an epoch.

    Attributes:
        number: From 1; 0 is the end of the head stage.
        valid: Metrics of the validation images.
        train: Metrics of some training images, without augmentation; empty if the run did not measure them.
        best: Whether it was the best epoch so far, so that its weights were kept.
        images_per_second: Speed of training; None for epoch 0.
    """

    number: int
    valid: Metrics
    train: Metrics
    best: bool
    images_per_second: float | None


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """A step of fine-tuning.

    Attributes:
        epoch: When it happened: 1.5 is the middle of the second epoch.
        lr: Learning rate of the head.
        momentum: Adam's beta1.
        loss: Mean loss of its batch.
    """

    epoch: float
    lr: float
    momentum: float
    loss: float


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainingHistory:
    """A history that was read.

    Attributes:
        epochs: In order.
        steps: In order.
        seconds: Stage -> wall time.
    """

    epochs: tuple[EpochRecord, ...]
    steps: tuple[StepRecord, ...]
    seconds: Mapping[str, float]

    def __repr__(self) -> str:
        return f"TrainingHistory({len(self.epochs)} epochs, {len(self.steps):,} steps)"

    @property
    def kept(self) -> EpochRecord | None:
        """The epoch whose weights were exported."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.best), None)

    @property
    def kept_head(self) -> str:
        """A sentence for people if there was fine-tuning, and the head before it is what was exported; else empty."""
        last = self.epochs[-1].number if self.epochs else 0
        if not last or self.kept is None or self.kept.number:
            return ""
        epochs = f"None of the {last} epochs" if last > 1 else "The one epoch"
        verb = "was" if last > 1 else "was not"
        return (
            f"{epochs} of fine-tuning {verb} better than the head stage before, so the weights of the head stage were "
            "kept."
        )


def read_history(path: Path) -> TrainingHistory:
    """Read history.jsonl. Values that were not finite are left out."""
    with open(path, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    seconds: Counter[str] = Counter()
    for event in events:
        if event["event"] == "stage":
            seconds[event["stage"]] += event["seconds"]
    return TrainingHistory(
        epochs=tuple(_epoch_record(event) for event in events if event["event"] == "epoch"),
        steps=_step_records([event for event in events if event["event"] == "step"]),
        seconds=dict(seconds),
    )


def _epoch_record(event: Mapping[str, Any]) -> EpochRecord:
    return EpochRecord(
        number=event["epoch"] if event["stage"] == "finetune" else 0,
        valid=_only_finite(event["valid"]),
        train=_only_finite(event.get("train") or {}),
        best=event["best"],
        images_per_second=event.get("images_per_second"),
    )


def _step_records(events: Sequence[Mapping[str, Any]]) -> tuple[StepRecord, ...]:
    steps_in, seen = Counter(event["epoch"] for event in events), Counter[int]()
    steps = []
    for event in events:
        number = event["epoch"]
        seen[number] += 1
        if event["loss"] is not None:
            epoch = number - 1 + (seen[number] - 0.5) / steps_in[number]
            steps.append(StepRecord(epoch=epoch, lr=event["lr"], momentum=event["momentum"], loss=event["loss"]))
    return tuple(steps)


def _only_finite(metrics: Mapping[str, float | None]) -> Metrics:
    return {name: value for name, value in metrics.items() if value is not None}


def _complete_bytes(path: Path, *, most: int) -> int:
    """How many of the first `most` bytes of a file are complete events."""
    complete = 0
    with open(path, "rb") as file:
        for line in file:
            if complete + len(line) > most or not line.endswith(b"\n"):
                break
            try:
                json.loads(line)
            except ValueError:
                break
            complete += len(line)
    return complete


def _finite_or_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite_or_null(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
