from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
