"""Can the validation images say how good the network is?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainer.catalog import first_few
from trainer.diagnosis.commands import Commands
from trainer.diagnosis.finding import Finding
from trainer.training.metrics import wilson_interval

_WIDE, _VERY_WIDE = 0.10, 0.20
_LARGEST_SHARE = 0.5


def class_missing(
    train_counts: Mapping[str, int], valid_counts: Mapping[str, int], *, lost: Sequence[str], commands: Commands
) -> Finding | None:
    """A class is not measured, having no validation image, or was left out, none of its training images being readable.

    train_counts  class -> number of images, of every class that is learned
    valid_counts  the same; a class without an image may be left out
    lost          the classes that were left out
    """
    unmeasured = [name for name in train_counts if not valid_counts.get(name)]
    if not unmeasured and not lost:
        return None
    larger = _larger_validation(commands) if any(train_counts[name] > 1 for name in unmeasured) else ""
    total = len(train_counts) + len(lost)
    parts = []
    if lost:
        parts.append(
            f"{len(lost)} of {total} classes have no training image that can be decoded, so they were left out "
            f"({_listed(lost)}); put sound images in their place"
        )
    if unmeasured:
        parts.append(
            f"{len(unmeasured)} of {total} classes have no validation image, so nothing is measured on them "
            f"({_listed(unmeasured)}); add images of them{' or hold out more' if larger else ' to validate on'}"
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
        command=larger,
    )


def few_validation_images(right: int, count: int, *, commands: Commands) -> Finding | None:
    """The 95 % interval of the share of right answers is wider than ten points.

    right, count  how many validation images were answered rightly, and how many there are
    """
    low, high = wilson_interval(right / count, count)
    if high - low <= _WIDE:
        return None
    larger = _larger_validation(commands)
    return Finding(
        name="few-validation-images",
        confidence="high" if high - low > _VERY_WIDE else "medium",
        summary=f"With {count} validation images the figure means little: {100 * right / count:.1f} % of them are "
        f"right, but of many more it might be anything from {100 * low:.0f} to {100 * high:.0f} % (95 % interval); "
        f"add images{' or hold out more' if larger else ' to validate on'}.",
        evidence={"images": count, "right": right, "interval": [low, high]},
        command=larger,
    )


def _larger_validation(commands: Commands) -> str:
    """How to hold out more images; empty where they were not drawn, or half of all are held out already."""
    recipe = commands.recipe
    if not recipe.data.drawn or recipe.valid_fraction >= _LARGEST_SHARE:
        return ""
    return commands.fit("--valid-fraction", f"{min(_LARGEST_SHARE, 2 * recipe.valid_fraction):g}")


def _listed(names: Sequence[str]) -> str:
    return first_few([repr(name) for name in names])
