"""Rules about the images: are labels wrong, and do the validation images show how good the model is?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer.catalog import first_few
from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.finding import Confidence, Finding, Remedy
from trainer.recipe import SIMILAR
from trainer.training.metrics import wilson_interval
from trainer.wording import counted, have

_LARGE_LEAKED_FRACTION = 0.20
_LISTED_PAIRS = 10
_LISTED_SUSPECTS = 20

_WIDE_INTERVAL = 0.10
_VERY_WIDE_INTERVAL = 0.20
_MAX_VALID_FRACTION = 0.5
_VALID_FRACTION_FACTOR = 2


def near_duplicates(evidence: Evidence) -> Finding | None:
    """Many validation images have a near duplicate among the training images."""
    nearest, correct = evidence.nearest, evidence.correct
    if not nearest.leaked:
        return None
    is_near_duplicate = nearest.is_near_duplicate
    fraction = float(is_near_duplicate.mean())
    accuracy_with = float(correct[is_near_duplicate].mean())
    accuracy_without = None if is_near_duplicate.all() else float(correct[~is_near_duplicate].mean())
    can_regroup = _can_regroup(evidence)
    doubt = " (among so few images, some may only seem similar: look at the pairs)" if nearest.few else ""
    compared = (
        ""
        if accuracy_without is None
        else f" ({100 * accuracy_with:.0f} % of these images are predicted correctly, "
        f"and {100 * accuracy_without:.0f} % of the others)"
    )
    advice = "" if can_regroup else "; validate on images that were taken elsewhere"
    levels: tuple[Confidence, Confidence] = ("low", "medium") if nearest.few else ("medium", "high")
    positions = np.flatnonzero(is_near_duplicate)
    most_similar = positions[np.argsort(-nearest.similarities[positions], kind="stable")][:_LISTED_PAIRS]
    return Finding(
        name="near-duplicates",
        confidence=levels[fraction >= _LARGE_LEAKED_FRACTION],
        summary=f"{100 * fraction:.0f} % of the validation images have a near duplicate among the training images"
        f"{doubt}, so the result on them says little about photos taken elsewhere{compared}{advice}.",
        evidence={
            "images": int(is_near_duplicate.sum()),
            "fraction": fraction,
            "accuracy_with_near_duplicate": accuracy_with,
            "accuracy_without": accuracy_without,
            "pairs": [" = ".join(nearest.pairs[position]) for position in most_similar.tolist()],
        },
        remedy=Remedy(command="fit", regrouped=True) if can_regroup else None,
    )


def noisy_labels(evidence: Evidence) -> Finding | None:
    """Models that have not seen the images are sure that labels are wrong; see `trainer.cleaning.noise`."""
    noise = evidence.label_noise
    if noise is None:
        return None
    valid = f"{noise.count('valid')} of {noise.valid_count:,} validation images and for "
    return Finding(
        name="noisy-labels",
        confidence=noise.confidence,
        summary="Some labels seem to be wrong: models that have not seen the image are sure of another class for "
        f"{valid if evidence.has_validation else ''}{noise.count('train')} of {noise.train_count:,} training images; "
        "look at them, correct what is wrong, and fit again.",
        evidence={
            "validation_suspects": noise.count("valid"),
            "validation_fraction": noise.valid_fraction,
            "training_suspects": noise.count("train"),
            "training_fraction": noise.train_fraction,
            "worst": [str(suspect) for suspect in noise.suspects[:_LISTED_SUSPECTS]],
        },
        remedy=Remedy(command="clean"),
    )


def class_missing(evidence: Evidence) -> Finding | None:
    """A class has no validation image, or was left out because none of its training images can be decoded."""
    train_counts, lost = evidence.train_counts, evidence.lost_classes
    unmeasured = [name for name in train_counts if evidence.has_validation and not evidence.valid_counts[name]]
    if not unmeasured and not lost:
        return None
    remedy = _hold_out_more(evidence) if any(train_counts[name] > 1 for name in unmeasured) else None
    total = len(train_counts) + len(lost)
    parts = []
    if lost:
        parts.append(
            f"{len(lost)} of {total} classes {have(len(lost))} no training image that can be decoded, so "
            f"{'it was' if len(lost) == 1 else 'they were'} left out "
            f"({_listed(lost)}); replace these images"
        )
    if unmeasured:
        parts.append(
            f"{len(unmeasured)} of {total} classes {have(len(unmeasured))} no validation image, so nothing is measured "
            f"on them ({_listed(unmeasured)}); add images of them{_or_hold_out_more(remedy)}"
        )
    return Finding(
        name="class-missing",
        confidence="high",
        summary="; ".join(parts) + ".",
        evidence={
            "classes": total,
            "without_validation_images": len(unmeasured),
            "without_training_images": len(lost),
            "missing": [*lost, *unmeasured],
        },
        remedy=remedy,
    )


def few_validation_images(evidence: Evidence) -> Finding | None:
    """The 95 % interval of the fraction of correct predictions is wider than ten percentage points."""
    count, correct = len(evidence.correct), int(evidence.correct.sum())
    if not count:
        return None
    low, high = wilson_interval(correct / count, count)
    if high - low <= _WIDE_INTERVAL:
        return None
    remedy = _hold_out_more(evidence)
    return Finding(
        name="few-validation-images",
        confidence="high" if high - low > _VERY_WIDE_INTERVAL else "medium",
        summary=f"With {counted(count, 'validation image')} the result is uncertain: {100 * correct / count:.1f} % of "
        f"them are predicted correctly, but of many more images it could be anything from {100 * low:.0f} to "
        f"{100 * high:.0f} % (95 % interval); add images{_or_hold_out_more(remedy)}.",
        evidence={"images": count, "correct": correct, "interval": [low, high]},
        remedy=remedy,
    )


def no_validation_images(evidence: Evidence) -> Finding | None:
    """No image was held out."""
    if evidence.has_validation:
        return None
    return Finding(
        name="no-validation-images",
        confidence="high",
        summary="Nobody knows how good this model is: it was trained on all images, so none were left to measure it "
        "on; evaluate it on labelled images that it has not seen, or hold some out once to see what the recipe gives.",
        evidence={"training_images": sum(evidence.train_counts.values())},
        remedy=Remedy(command="fit", changes={"split": "random"}),
    )


def _can_regroup(evidence: Evidence) -> bool:
    """Whether another draw of validation images can keep near duplicates together, and leaves test images alone."""
    data = evidence.recipe.data
    return data.group_by != SIMILAR and (data.drawn or not evidence.catalog.split("test"))


def _hold_out_more(evidence: Evidence) -> Remedy | None:
    """Hold out twice as many; None if the validation images were not drawn at random, or are half of all already."""
    recipe = evidence.recipe
    if not recipe.data.drawn or recipe.valid_fraction >= _MAX_VALID_FRACTION:
        return None
    fraction = min(_MAX_VALID_FRACTION, _VALID_FRACTION_FACTOR * recipe.valid_fraction)
    return Remedy(command="fit", changes={"valid_fraction": fraction})


def _or_hold_out_more(remedy: Remedy | None) -> str:
    return " or hold out more" if remedy else " to validate on"


def _listed(names: Sequence[str]) -> str:
    return first_few([repr(name) for name in names])
