"""Rules about single classes: is one always taken for another, or never predicted?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.catalog import first_few
from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.finding import Confidence, Finding
from trainer.diagnosis.training_rules import show_rare_classes_more

_MIN_IMAGES = 3  # of a class; with fewer, chance decides
_MANY_IMAGES = 5
_NEARLY_ALL = 0.8  # fraction of the images of a class
_LISTED_PHOTOS = 12


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """A class whose images are called another.

    Attributes:
        label: The class.
        other: What they are called.
        count: How many of them.
        total: Number of images of the class.
        photos: Paths of those, the surest mistake first.
    """

    label: str
    other: str
    count: int
    total: int
    photos: Sequence[str]


def class_taken_for_another(evidence: Evidence) -> Finding | None:
    """Nearly all validation images of a class are predicted as one other class."""
    if evidence.task != "classification" or evidence.collapse is not None:
        return None
    found = _taken_classes(evidence)
    if not found:
        return None
    is_sure = any(taken.total >= _MANY_IMAGES for taken in found)
    confidence: Confidence = "high" if is_sure else "medium"
    shown = [f"{_counted(taken)} {taken.label!r} are called {taken.other!r}" for taken in found]
    return Finding(
        name="class-taken-for-another",
        confidence=confidence,
        summary=f"{first_few(shown)}; look at these photos: their labels may be wrong, or the two classes may look the "
        "same, and then they should be one, or need more photos that show the difference.",
        evidence={
            "taken_classes": [f"{taken.label} -> {taken.other}: {taken.count} of {taken.total}" for taken in found],
            "photos": [photo for taken in found for photo in taken.photos][:_LISTED_PHOTOS],
        },
        remedy=None,
    )


def class_never_predicted(evidence: Evidence) -> Finding | None:
    """A class of which there are several validation images is not predicted for any image."""
    if evidence.collapse is not None or not evidence.has_validation:
        return None
    classes = evidence.catalog.classes
    predicted = evidence.valid.predicted(task=evidence.task, thresholds=evidence.thresholds)
    never = [
        label
        for label, count in zip(classes, predicted.sum(axis=0).tolist(), strict=True)
        if not count and evidence.valid_counts[label] >= _MIN_IMAGES
    ]
    if not never:
        return None
    train, valid = evidence.train_counts, evidence.valid_counts
    shown = [f"{label!r} ({train[label]:,} training, {valid[label]:,} validation images)" for label in never]
    are_rare = max(train[label] for label in never) < float(np.median([*train.values()]))
    return Finding(
        name="class-never-predicted",
        confidence="high" if any(valid[label] >= _MANY_IMAGES for label in never) else "medium",
        summary=f"{len(never)} of {len(classes)} classes are never predicted: {first_few(shown)}; add photos of them, "
        "or join each with the class that it is taken for.",
        evidence={"classes": len(classes), "never_predicted": never},
        remedy=show_rare_classes_more(evidence) if are_rare else None,
    )


def _taken_classes(evidence: Evidence) -> list[_Taken]:
    classes, valid = evidence.catalog.classes, evidence.valid
    predicted = valid.probabilities.argmax(axis=1)
    found = []
    for number, label in enumerate(classes):
        own = np.flatnonzero(valid.targets == number)
        if len(own) < _MIN_IMAGES:
            continue
        counts = np.bincount(predicted[own], minlength=len(classes))
        other = int(counts.argmax())
        if other == number or counts[other] < _NEARLY_ALL * len(own):
            continue
        taken = own[predicted[own] == other]
        surest = taken[np.argsort(-valid.probabilities[taken, other], kind="stable")]
        found.append(
            _Taken(
                label=label,
                other=classes[other],
                count=len(taken),
                total=len(own),
                photos=[valid.names[position] for position in surest.tolist()],
            )
        )
    return sorted(found, key=lambda taken: -taken.count)


def _counted(taken: _Taken) -> str:
    return f"all {taken.total} photos of" if taken.count == taken.total else f"{taken.count} of {taken.total} photos of"
