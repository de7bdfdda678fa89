"""history.jsonl: one JSON object a line, written as it happens, and read back."""

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


class History:
    """Appends records to a file; what was said before a kill can be read after it.

    path   None: nothing is written
    board  is told the same
    """

    def __init__(self, path: Path | None, *, board: TensorBoard | None = None) -> None:
        self._path = path
        self._board = board

    @property
    def length_bytes(self) -> int:
        """How much has been written."""
        return self._path.stat().st_size if self._path is not None and self._path.exists() else 0

    def cut(self, length_bytes: int) -> None:
        """Forget what was written after the file had this length; with a board, comes before the first record.

        After a power cut there may be less of it: what is no whole record any more is forgotten too.
        """
        if self._path is not None and self._path.exists():
            os.truncate(self._path, _whole_bytes(self._path, most=length_bytes))
        if self._board is not None:
            self._board.take_up(self._count("step") if length_bytes else None)

    def write(self, event: str, **values: Any) -> None:
        """Append one record: `event` and its numbers; NaN and infinities are written as null."""
        self.write_all(event, [values])

    def write_all(self, event: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Append several records of one event."""
        if self._path is None:
            return
        lines = [json.dumps(_strict({"event": event, **values}), allow_nan=False) + "\n" for values in records]
        with open(self._path, "a", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())  # a saved state counts on what was written before it
        if self._board is not None:
            self._board.mirror(event, records)

    def _count(self, event: str) -> int:
        if self._path is None or not self._path.exists():
            return 0
        with open(self._path, encoding="utf-8") as file:
            return sum(json.loads(line)["event"] == event for line in file)


def _whole_bytes(path: Path, *, most: int) -> int:
    """How many of the first `most` bytes of a file are whole records."""
    whole = 0
    with open(path, "rb") as file:
        for line in file:
            if whole + len(line) > most or not line.endswith(b"\n"):
                break
            try:
                json.loads(line)
            except ValueError:
                break
            whole += len(line)
    return whole


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


Metrics = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """What was measured after an epoch; number 0 is the end of the first stage.

    valid  figures of the validation images
    train  figures of some of the training images, as they are; empty where the run did not measure them
    best   whether it was the best so far, so that its weights were kept
    """

    number: int
    valid: Metrics
    train: Metrics
    best: bool
    images_per_second: float | None


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One step of the second stage, at `epoch` (1.5: in the middle of the second); the loss of its batch."""

    epoch: float
    lr: float
    momentum: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class TrainingHistory:
    """A run's history. `seconds` is wall time by stage."""

    epochs: tuple[EpochRecord, ...]
    steps: tuple[StepRecord, ...]
    seconds: Mapping[str, float]

    @property
    def kept(self) -> EpochRecord | None:
        """The epoch whose weights were exported."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.best), None)


def read_history(history: Path) -> TrainingHistory:
    """Read history.jsonl; values that were not finite are left out."""
    with open(history, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    seconds: Counter[str] = Counter()
    for event in events:
        if event["event"] == "stage":
            seconds[event["stage"]] += event["seconds"]
    return TrainingHistory(
        epochs=tuple(_epoch(event) for event in events if event["event"] == "epoch"),
        steps=_steps([event for event in events if event["event"] == "step"]),
        seconds=dict(seconds),
    )


def _epoch(event: Mapping[str, Any]) -> EpochRecord:
    return EpochRecord(
        number=event["epoch"] if event["stage"] == "finetune" else 0,
        valid=_finite(event["valid"]),
        train=_finite(event.get("train") or {}),
        best=event["best"],
        images_per_second=event.get("images_per_second"),
    )


def _steps(events: list[Any]) -> tuple[StepRecord, ...]:
    lengths, seen = Counter(event["epoch"] for event in events), Counter[int]()
    steps = []
    for event in events:
        number = event["epoch"]
        seen[number] += 1
        if event["loss"] is not None:
            place = number - 1 + (seen[number] - 0.5) / lengths[number]
            steps.append(StepRecord(epoch=place, lr=event["lr"], momentum=event["momentum"], loss=event["loss"]))
    return tuple(steps)


def _finite(figures: Mapping[str, float | None]) -> Metrics:
    return {name: value for name, value in figures.items() if value is not None}
