"""Was learning slow, and not over when training ended?"""

from __future__ import annotations

import numpy as np

from trainer.diagnosis.curve import Curve, FloatArray

_ROOM = 0.05  # error of the training images under which there is nothing left to learn from them
_SAME_ERROR = 0.5  # of the validation error: the training images are not known much better
_LITTLE = 0.7  # of the loss of guessing: hardly anything was learned
_FELL = 0.03
_WORSE = 0.02
_LAST_SHARE = 3

MORE = 3  # times as many epochs, where they were too few


def is_slow(curve: Curve, *, explained: float) -> bool:
    """Whether the training images themselves are poorly known, not much better than others, and this was changing.

    explained  share of the error that is no fault of the learning: of labels that are wrong

    All is measured on images as they are: the loss of the training steps, under dropout and augmentation, says nothing
    here. A network that learned next to nothing counts too: from its loss nobody can tell whether it is falling. One
    whose loss burst, or whose validation error is on its way up, does not.
    """
    if not curve.epochs or not np.isfinite([curve.train_error[-1], curve.train_loss[-1]]).all():
        return False
    if curve.burst or curve.valid_error[-1] > np.nanmin(curve.valid_error) + _WORSE:
        return False
    left, left_valid = curve.train_error[-1] - explained, curve.valid_error[-1] - explained
    room = left >= max(_ROOM, _SAME_ERROR * left_valid)
    little = curve.train_loss[-1] >= _LITTLE * curve.chance_loss
    falling = min(_fall(curve.train_loss), _fall(curve.valid_loss)) >= _FELL
    return bool(room and (little or falling))


def slow_evidence(curve: Curve) -> dict[str, float]:
    """What `is_slow` looked at."""
    return {
        "epochs": curve.epochs,
        "final_train_error": float(curve.train_error[-1]),
        "final_valid_error": float(curve.valid_error[-1]),
        "loss_of_guessing": curve.chance_loss,
        "final_train_loss": float(curve.train_loss[-1]),
        "fall_in_last_third": _fall(curve.train_loss),
    }


def _fall(losses: FloatArray) -> float:
    """By which share the loss fell in the last third of the epochs; 0 where that was not measured."""
    before = losses[max(0, len(losses) - 1 - max(1, len(losses) // _LAST_SHARE))]
    return float((before - losses[-1]) / before) if np.isfinite(before) and before > 0 else 0.0
