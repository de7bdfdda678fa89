"""Were the epochs too few, or too many?"""

from __future__ import annotations

import math

import numpy as np

from trainer.diagnosis.commands import Commands
from trainer.diagnosis.curve import Curve, FloatArray
from trainer.diagnosis.finding import Finding
from trainer.diagnosis.lr_evidence import Sweep
from trainer.diagnosis.slow import MORE, is_slow, slow_evidence

_WINDOW = 3
_LEAST_EPOCHS, _LONG_SHARE = 3, 0.25
_LEAST_WORSE, _STANDARD_ERRORS, _MANY_STANDARD_ERRORS = 0.02, 1.0, 2.5


def too_few_epochs(curve: Curve, *, sweep: Sweep | None, explained: float, commands: Commands) -> Finding | None:
    """The network learned slowly, and no sweep says that it was the rate.

    explained  as for `is_slow`
    """
    if not is_slow(curve, explained=explained) or (sweep is not None and sweep.calls_low(curve.max_lr)):
        return None
    return Finding(
        name="too-few-epochs",
        confidence="low" if sweep is None else "medium",
        summary=f"Learning was not over after {curve.epochs} epochs: they were too few{_told(sweep)}.",
        evidence={"max_lr": curve.max_lr, **slow_evidence(curve)},
        command=commands.epochs(MORE * curve.epochs),
    )


def too_many_epochs(curve: Curve, *, commands: Commands) -> Finding | None:
    """The validation error got worse for long, while the training images became no worse known: overfitting.

    That the loss of the training images is lower than that of the validation images is how it should be, and is not
    looked at; nor is the validation loss, which often rises while the error still falls.
    """
    error = _smooth(curve.valid_error)
    if not len(error) or not np.isfinite(error).all():
        return None
    best = int(error.argmin())
    long = len(error) - 1 - best >= max(_LEAST_EPOCHS, math.ceil(_LONG_SHARE * len(curve.valid_error)))
    deviation = math.sqrt(max(error[best] * (1 - error[best]), 1 / curve.valid_count) / curve.valid_count)
    worse = float(error[-1] - error[best])
    if not long or worse < max(_LEAST_WORSE, _STANDARD_ERRORS * deviation):
        return None
    last, middle = len(curve.numbers) - 1, best + _WINDOW // 2
    if not curve.train_loss[last] <= curve.train_loss[middle]:
        return None
    before = int(curve.numbers[middle])
    return Finding(
        name="too-many-epochs",
        confidence="high" if worse >= _MANY_STANDARD_ERRORS * deviation else "medium",
        summary=f"The network overfits: the validation error was {100 * error[best]:.1f} % about epoch {before} and "
        f"had risen to {100 * error[-1]:.1f} % by epoch {int(curve.numbers[-1])}{_kept(curve.kept)}.",
        evidence={
            "lowest_valid_error": float(error[best]),
            "final_valid_error": float(error[-1]),
            "standard_error": deviation,
            "epochs_getting_worse": int(curve.numbers[-1]) - before,
            "kept_epoch": curve.kept,
        },
        command=commands.epochs(before if curve.kept is None else curve.kept),
    )


def _told(sweep: Sweep | None) -> str:
    if sweep is None:
        return " or the learning rate was too low, which look alike until a sweep of the rate tells them apart"
    if sweep.rule == "mean":
        return ", since the sweep does not call the learning rate low"
    return f", since in the sweep of the learning rate the loss began to rise above {sweep.suggestion:.2g}"


def _kept(number: int | None) -> str:
    if number is None:
        return ""
    return f"; the weights of epoch {number} were kept" if number else "; the weights of the head stage were kept"


def _smooth(errors: FloatArray) -> FloatArray:
    """Means of three neighbours; none where there are fewer."""
    return np.convolve(errors, np.full(_WINDOW, 1 / _WINDOW), "valid") if len(errors) >= _WINDOW else errors[:0]
