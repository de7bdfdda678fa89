"""Was the learning rate too high, or too low?"""

from __future__ import annotations

import numpy as np

from trainer.diagnosis.commands import Commands
from trainer.diagnosis.curve import Curve
from trainer.diagnosis.finding import Confidence, Finding
from trainer.diagnosis.lr_evidence import Sweep
from trainer.diagnosis.slow import MORE, is_slow, slow_evidence

# Shares of the loss of guessing.
_WORSE, _STILL_GUESSING = 0.05, 0.95
_POOR_ERROR = 0.2
_VERY_FAR = 10.0


def rate_too_high(curve: Curve, *, commands: Commands) -> Finding | None:
    """The loss of the steps rose over what it had been, and what was learned is poor.

    It is sure where the network ends no better than guessing, or clearly worse than the trained head that it began
    with. Training losses are compared with each other, and measured losses with each other, never one with the other.
    """
    if not curve.epochs or not np.isfinite(curve.train_loss[-1]):
        return None
    end = float(curve.train_loss[-1])
    guessing = end >= _STILL_GUESSING * curve.chance_loss
    worse = end > curve.start_loss + _WORSE * curve.chance_loss
    if not curve.burst or not (guessing or worse or curve.train_error[-1] >= _POOR_ERROR):
        return None
    before, after = curve.rise
    if guessing:
        came = "nothing was learned in the end"
    elif worse:
        came = "the network ended worse than the trained head that it began with"
    else:
        came = "little was learned in the end"
    return Finding(
        name="rate-too-high",
        confidence="high" if guessing or worse else "medium",
        summary=f"The learning rate of {curve.max_lr:.2g} is too high: the loss of the training steps rose from "
        f"{before:.2f} to {after:.2f}, and {came}.",
        evidence={
            "max_lr": curve.max_lr,
            "step_loss_before": before,
            "step_loss_after": after,
            "loss_of_guessing": curve.chance_loss,
            "train_loss_at_the_start": curve.start_loss,
            "final_train_loss": end,
            "final_train_error": float(curve.train_error[-1]),
        },
        command=commands.fit("--lr", f"{curve.max_lr / 10:.2g}"),
    )


def rate_too_low(curve: Curve, *, sweep: Sweep | None, explained: float, commands: Commands) -> Finding | None:
    """The network learned slowly, and no sweep of the rate says that the rate was right.

    Too low a rate and too few epochs look alike; only a sweep tells them apart.

    explained  as for `is_slow`
    """
    if not is_slow(curve, explained=explained):
        return None
    evidence = {"max_lr": curve.max_lr, **slow_evidence(curve)}
    if sweep is None:
        return Finding(
            name="rate-too-low",
            confidence="low",
            summary="Learning was slow and not over at the end: the learning rate was too low or the epochs were too "
            "few, which look alike until a sweep of the rate tells them apart.",
            evidence=evidence,
            command=commands.lr_find(),
        )
    if not sweep.calls_low(curve.max_lr):
        return None
    far = curve.max_lr * _VERY_FAR <= sweep.lowest
    sure: tuple[Confidence, Confidence] = ("medium", "high") if sweep.rule == "mean" else ("low", "medium")
    return Finding(
        name="rate-too-low",
        confidence=sure[far],
        summary=f"The learning rate of {curve.max_lr:.2g} is too low: learning was slow and not over at the end, "
        f"and {_told(sweep)}.",
        evidence={**evidence, "lowest_rate_of_sweep": sweep.lowest, "highest_rate_of_sweep": sweep.highest},
        command=commands.fit("--lr", f"{sweep.lowest:.2g}"),
    )


def other_rate(curve: Curve, *, sweep: Sweep | None, commands: Commands) -> str:
    """What to try where the rate may be at fault: a sweep; where there was one its rate, or more epochs with that."""
    if sweep is None:
        return commands.lr_find()
    if sweep.about(curve.max_lr):
        return commands.epochs(MORE * curve.epochs)
    return commands.fit("--lr", f"{sweep.suggestion:.2g}")


def _told(sweep: Sweep) -> str:
    if sweep.rule == "mean":
        return f"the sweep of the rate speaks for {sweep.lowest:.2g} or more"
    return f"in the sweep of the rate the loss, which hardly fell, began to rise only above {sweep.lowest:.2g}"
