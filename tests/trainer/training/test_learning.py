from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainer.report.curves import draw_curves
from trainer.training.history import read_history


def history(path: Path, *events: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def epoch(number: int, accuracy: float, *, best: bool, **more: Any) -> dict[str, Any]:
    valid = {"accuracy": accuracy, "macro_f1": accuracy, "loss": 1 - accuracy}
    return {
        "event": "epoch",
        "stage": "finetune" if number else "head",
        "epoch": number,
        "valid": valid,
        "best": best,
        **more,
    }


def step(number: int, loss: float | None) -> dict[str, Any]:
    return {"event": "step", "epoch": number, "lr": 0.01, "momentum": 0.9, "loss": loss}


def test_steps_stand_between_the_epochs(tmp_path: Path) -> None:
    events = [
        epoch(0, 0.5, best=True),
        step(1, 3.0),
        step(1, 2.0),
        epoch(1, 0.7, best=True),
        step(2, None),
        step(2, 1.0),
    ]
    seconds = [{"event": "stage", "stage": "finetune", "seconds": seconds} for seconds in (2.0, 3.0)]
    learning = read_history(history(tmp_path / "h", *events, epoch(2, 0.6, best=False), *seconds))
    assert [(found.epoch, found.loss) for found in learning.steps] == [(0.25, 3.0), (0.75, 2.0), (1.75, 1.0)]
    assert learning.seconds == {"finetune": 5.0}
    assert learning.kept is learning.epochs[1]


def test_a_curve_of_the_training_images_only_where_they_were_measured(tmp_path: Path) -> None:
    without = read_history(history(tmp_path / "a", step(1, 3.0), epoch(1, 0.7, best=True)))
    measured = {"accuracy": 0.9, "macro_f1": 0.9, "loss": 0.2}
    with_them = read_history(history(tmp_path / "b", step(1, 3.0), epoch(1, 0.7, best=True, train=measured)))
    names = [
        [line.name for line in draw_curves(found, task="classification")[0].lines] for found in (without, with_them)
    ]
    assert names == [["each step", "validation images"], ["each step", "training images", "validation images"]]


def test_a_million_steps_are_a_short_line(tmp_path: Path) -> None:
    events = [step(1, 5.0 - number / 30_000) for number in range(100_000)]
    learning = read_history(history(tmp_path / "h", *events, epoch(1, 0.7, best=True)))
    (steps,) = [line for line in draw_curves(learning, task="classification")[0].lines if line.name == "each step"]
    assert len(steps.points) < 500
    assert [loss for _, loss in steps.points] == sorted((loss for _, loss in steps.points), reverse=True)
    assert steps.points[0][1] == pytest.approx(5.0, abs=0.02)


def test_no_curves_of_the_head_alone(tmp_path: Path) -> None:
    learning = read_history(history(tmp_path / "h", epoch(0, 0.7, best=True)))
    assert draw_curves(learning, task="classification") == ()
