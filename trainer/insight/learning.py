"""What history.jsonl tells of a run: its epochs, the steps of its second stage, the time that each stage took."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What was measured after an epoch; number 0 is the end of the first stage.

    valid  figures of the validation images
    train  figures of some of the training images, as they are; empty where the run did not measure them
    best   whether it was the best so far, so that its weights were kept
    """

    number: int
    valid: Figures
    train: Figures
    best: bool
    images_per_second: float | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the second stage, at `epoch` (1.5: in the middle of the second); the loss of its batch."""

    epoch: float
    rate: float
    momentum: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class Learning:
    """A run's history. `seconds` is wall time by stage."""

    epochs: tuple[Epoch, ...]
    steps: tuple[Step, ...]
    seconds: Mapping[str, float]

    @property
    def kept(self) -> Epoch | None:
        """The epoch whose weights were exported."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.best), None)


def read_learning(history: Path) -> Learning:
    """Read history.jsonl; values that were not finite are left out."""
    with open(history, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    seconds: Counter[str] = Counter()
    for event in events:
        if event["event"] == "stage":
            seconds[event["stage"]] += event["seconds"]
    return Learning(
        epochs=tuple(_epoch(event) for event in events if event["event"] == "epoch"),
        steps=_steps([event for event in events if event["event"] == "step"]),
        seconds=dict(seconds),
    )


def _epoch(event: Mapping[str, Any]) -> Epoch:
    return Epoch(
        number=event["epoch"] if event["stage"] == "whole" else 0,
        valid=_finite(event["valid"]),
        train=_finite(event.get("train") or {}),
        best=event["best"],
        images_per_second=event.get("images_per_second"),
    )


def _steps(events: list[Any]) -> tuple[Step, ...]:
    lengths, seen = Counter(event["epoch"] for event in events), Counter[int]()
    steps = []
    for event in events:
        number = event["epoch"]
        seen[number] += 1
        if event["loss"] is not None:
            place = number - 1 + (seen[number] - 0.5) / lengths[number]
            steps.append(Step(epoch=place, rate=event["rate"], momentum=event["momentum"], loss=event["loss"]))
    return tuple(steps)


def _finite(figures: Mapping[str, float | None]) -> Figures:
    return {name: value for name, value in figures.items() if value is not None}
