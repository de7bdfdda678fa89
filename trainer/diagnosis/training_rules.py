"""Rules about the training: did learning rate and epochs suit it, and does the model tell the classes apart?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.catalog import first_few
from trainer.diagnosis.curve import LearningCurve
from trainer.diagnosis.evidence import Evidence, LRSuggestion
from trainer.diagnosis.finding import Confidence, Finding, Remedy

_POOR_TRAIN_ERROR = 0.2
_LR_DIVISOR = 10  # a learning rate that was too high is divided by this
_FAR_TOO_LOW_LR = 10.0  # ratio of two learning rates
_EPOCHS_FACTOR = 3  # too few epochs are multiplied by this

_ERROR_WINDOW = 3  # epochs
_MIN_WORSE_EPOCHS = 3
_MIN_WORSE_FRACTION = 0.25  # of the epochs
_MIN_WORSE_ERROR = 0.02
_MEDIUM_STANDARD_ERRORS = 1.0
_HIGH_STANDARD_ERRORS = 2.5

_UNBALANCED_RATIO = 3  # of the largest class to the smallest


def lr_too_high(evidence: Evidence) -> Finding | None:
    """The step loss diverged, and what the model learned is poor.

    This is certain if the model ends no better than guessing, or clearly worse than the trained head that it started
    with. Step losses are only compared with step losses, and epoch losses with epoch losses.
    """
    curve = evidence.curve
    if not curve.epoch_count or not np.isfinite(curve.train_loss[-1]):
        return None
    if not curve.diverged or (curve.failure is None and curve.train_error[-1] < _POOR_TRAIN_ERROR):
        return None
    before, after = curve.largest_rise
    consequence = {
        "guessing": "nothing was learned in the end",
        "worse": "the model ended worse than the trained head that it started with",
        None: "little was learned in the end",
    }[curve.failure]
    return Finding(
        name="lr-too-high",
        confidence="high" if curve.failure else "medium",
        summary=f"The learning rate of {curve.max_lr:.2g} is too high: the loss of the training steps rose from "
        f"{before:.2f} to {after:.2f}, and {consequence}{_kept_weights(curve.kept_epoch)}.",
        evidence={
            "max_lr": curve.max_lr,
            "step_loss_before": before,
            "step_loss_after": after,
            "chance_loss": curve.chance_loss,
            "start_train_loss": curve.start_loss,
            "final_train_loss": float(curve.train_loss[-1]),
            "final_train_error": float(curve.train_error[-1]),
        },
        remedy=_fit_with_lr(curve.max_lr / _LR_DIVISOR),
    )


def lr_too_low(evidence: Evidence) -> Finding | None:
    """Learning was slow, and the learning rate finder does not say that the learning rate was high enough.

    Too low a learning rate and too few epochs look the same; only the learning rate finder can tell which it was.
    """
    if not evidence.is_slow:
        return None
    max_lr, suggestion = evidence.curve.max_lr, evidence.lr_suggestion
    if suggestion is None:
        return Finding(
            name="lr-too-low",
            confidence="low",
            summary="Learning was slow and had not finished at the end: the learning rate was too low or the epochs "
            "were too few; only the learning rate finder can tell which.",
            evidence=_slow_learning(evidence.curve),
            remedy=Remedy(command="lr_find"),
        )
    if not evidence.lr_is_too_low:
        return None
    is_far = max_lr * _FAR_TOO_LOW_LR <= suggestion.lowest
    levels: tuple[Confidence, Confidence] = ("medium", "high") if suggestion.rule == "mean" else ("low", "medium")
    if suggestion.rule == "mean":
        reason = f"the learning rate finder suggests {suggestion.lowest:.2g} or more"
    else:
        reason = (
            f"the loss in the learning rate finder, which hardly fell, began to rise only above {suggestion.lowest:.2g}"
        )
    return Finding(
        name="lr-too-low",
        confidence=levels[is_far],
        summary=f"The learning rate of {max_lr:.2g} is too low: learning was slow and had not finished at the end, "
        f"and {reason}.",
        evidence={
            **_slow_learning(evidence.curve),
            "lowest_suggested_lr": suggestion.lowest,
            "highest_suggested_lr": suggestion.highest,
        },
        remedy=_fit_with_lr(suggestion.lowest),
    )


def too_few_epochs(evidence: Evidence) -> Finding | None:
    """Learning was slow, and the learning rate finder does not say that the learning rate was too low."""
    if not evidence.is_slow or evidence.lr_is_too_low:
        return None
    curve, suggestion = evidence.curve, evidence.lr_suggestion
    return Finding(
        name="too-few-epochs",
        confidence="low" if suggestion is None else "medium",
        summary=f"Learning had not finished after {curve.epoch_count} epochs: they were too few"
        f"{_why_too_few(suggestion)}.",
        evidence=_slow_learning(curve),
        remedy=_more_epochs(curve),
    )


def too_many_epochs(evidence: Evidence) -> Finding | None:
    """The model overfits: the validation error rose for long, while the training images were known no worse.

    A training loss below the validation loss is normal and does not count. Neither does the validation loss, which
    often rises while the error still falls.
    """
    curve = evidence.curve
    error = _smooth(curve.valid_error)
    if not len(error) or not np.isfinite(error).all():
        return None
    best = int(error.argmin())
    min_epochs = max(_MIN_WORSE_EPOCHS, math.ceil(_MIN_WORSE_FRACTION * len(curve.valid_error)))
    standard_error = math.sqrt(max(error[best] * (1 - error[best]), 1 / curve.valid_count) / curve.valid_count)
    rise = float(error[-1] - error[best])
    if len(error) - 1 - best < min_epochs or rise < max(_MIN_WORSE_ERROR, _MEDIUM_STANDARD_ERRORS * standard_error):
        return None
    best_position = best + _ERROR_WINDOW // 2
    if not curve.train_loss[-1] <= curve.train_loss[best_position]:
        return None
    best_epoch, last_epoch = int(curve.epoch_numbers[best_position]), int(curve.epoch_numbers[-1])
    return Finding(
        name="too-many-epochs",
        confidence="high" if rise >= _HIGH_STANDARD_ERRORS * standard_error else "medium",
        summary=f"The model overfits: the validation error was {100 * error[best]:.1f} % around epoch {best_epoch} and "
        f"rose to {100 * error[-1]:.1f} % by epoch {last_epoch}{_kept_weights(curve.kept_epoch)}.",
        evidence={
            "lowest_valid_error": float(error[best]),
            "final_valid_error": float(error[-1]),
            "standard_error": standard_error,
            "epochs_getting_worse": last_epoch - best_epoch,
            "kept_epoch": curve.kept_epoch,
        },
        remedy=Remedy(command="fit", changes={"epochs": best_epoch if curve.kept_epoch is None else curve.kept_epoch}),
    )


def prediction_collapse(evidence: Evidence) -> Finding | None:
    """The model predicts a few classes for nearly all images; see `find_collapse`."""
    collapse, counts = evidence.collapse, evidence.train_counts.values()
    if collapse is None:
        return None
    favoured = [evidence.catalog.classes[k] for k in collapse.favoured]
    images = "validation" if evidence.has_validation else "training"
    is_unbalanced = max(counts) >= _UNBALANCED_RATIO * min(counts)
    return Finding(
        name="prediction-collapse",
        confidence="high" if collapse.other_recall == 0 else "medium",
        summary=f"{100 * collapse.fraction:.0f} % of the {images} images are predicted as "
        f"{first_few([repr(name) for name in favoured])}, whatever they show; images of the other "
        f"{collapse.other_count} classes are hardly ever recognised.",
        evidence={
            "favoured_classes": favoured,
            "fraction_of_predictions": collapse.fraction,
            f"classes_among_{images}_images": collapse.class_count,
            "recall_of_other_classes": collapse.other_recall,
        },
        remedy=(show_rare_classes_more(evidence) if is_unbalanced else None) or try_other_lr(evidence),
    )


def show_rare_classes_more(evidence: Evidence) -> Remedy | None:
    """Draw the images of rare classes more often; None if the run balanced its classes already."""
    return Remedy(command="fit", changes={"balance": "sampler"}) if evidence.recipe.balance == "none" else None


def try_other_lr(evidence: Evidence) -> Remedy:
    """What to try if the learning rate may be wrong: the finder; its learning rate; or more epochs with that one."""
    suggestion = evidence.lr_suggestion
    if suggestion is None:
        return Remedy(command="lr_find")
    if suggestion.is_near(evidence.curve.max_lr):
        return _more_epochs(evidence.curve)
    return _fit_with_lr(suggestion.lr)


def _fit_with_lr(lr: float) -> Remedy:
    return Remedy(command="fit", changes={"lr": float(f"{lr:.2g}")})


def _more_epochs(curve: LearningCurve) -> Remedy:
    return Remedy(command="fit", changes={"epochs": _EPOCHS_FACTOR * curve.epoch_count})


def _slow_learning(curve: LearningCurve) -> dict[str, Any]:
    measured = {"final_valid_error": float(curve.valid_error[-1])} if curve.valid_count else {}
    return {
        "max_lr": curve.max_lr,
        "epochs": curve.epoch_count,
        "final_train_error": float(curve.train_error[-1]),
        **measured,
        "chance_loss": curve.chance_loss,
        "final_train_loss": float(curve.train_loss[-1]),
        "fall_in_last_third": curve.fall_in_last_third,
    }


def _why_too_few(suggestion: LRSuggestion | None) -> str:
    if suggestion is None:
        return " or the learning rate was too low; only the learning rate finder can tell which"
    if suggestion.rule == "mean":
        return ", since by the learning rate finder the learning rate is not too low"
    return f", since the loss in the learning rate finder began to rise above {suggestion.lr:.2g}"


def _kept_weights(epoch: int | None) -> str:
    if epoch is None:
        return ""
    return f"; the weights of epoch {epoch} were kept" if epoch else "; the weights of the head stage were kept"


def _smooth(errors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Means of three neighbours; empty if there are fewer than three errors."""
    window = np.full(_ERROR_WINDOW, 1 / _ERROR_WINDOW)
    return np.convolve(errors, window, "valid") if len(errors) >= _ERROR_WINDOW else errors[:0]
