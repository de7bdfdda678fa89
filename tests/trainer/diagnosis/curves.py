"""Curves and commands for the rules, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainer.diagnosis.commands import Commands
from trainer.diagnosis.curve import Curve
from trainer.diagnosis.lr_evidence import Sweep
from trainer.recipe import Recipe

COMMANDS = Commands(run=Path("run"), recipe=Recipe(), root=Path("/photos"), out=Path("run-2"))


def curve(
    *,
    train_error: Sequence[float],
    valid_error: Sequence[float],
    train_loss: Sequence[float] | None = None,
    valid_loss: Sequence[float] | None = None,
    steps: Sequence[float] = (2.3, 2.0, 1.0, 0.5),
    rate: float = 0.01,
    first: int = 1,
    kept: int | None = None,
    valid_count: int = 400,
) -> Curve:
    """A run of ten equal classes; losses are twice the errors where they are not given."""
    return Curve(
        numbers=np.arange(first, first + len(valid_error)),
        train_loss=np.array(train_loss or [2 * error for error in train_error]),
        valid_loss=np.array(valid_loss or [2 * error for error in valid_error]),
        train_error=np.array(train_error),
        valid_error=np.array(valid_error),
        step_losses=np.array(steps),
        max_lr=rate,
        kept=kept,
        chance_loss=float(np.log(10)),
        valid_count=valid_count,
    )


def sweep_of(lowest: float, highest: float) -> Sweep:
    """A sweep whose loss fell; the rate in the middle was chosen."""
    return Sweep(lowest=lowest, highest=highest, suggestion=float(np.sqrt(lowest * highest)), rule="mean")
