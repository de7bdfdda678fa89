"""Can the validation images say how good the network is?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainer.catalog import first_few
from trainer.fitting.measuring.metrics import wilson_interval
from trainer.insight.diagnosis.commands import Commands
from trainer.insight.diagnosis.finding import Finding

_WIDE, _VERY_WIDE = 0.10, 0.20
_LARGEST_SHARE = 0.5
_LISTED = 20


def class_missing(
    train_counts: Mapping[str, int], valid_counts: Mapping[str, int], *, classes: Sequence[str], commands: Commands
) -> Finding | None:
    """A class stands on one side of the split only.

    train_counts, valid_counts  class -> number of images; a class without an image may be left out
    classes                     all of both sides
    """
    unmeasured = [name for name in classes if not valid_counts.get(name)]
    unlearned = [name for name in classes if not train_counts.get(name)]
    if not unmeasured and not unlearned:
        return None
    parts = [
        f"{len(names)} of {len(classes)} classes have no {kind} image, so {so} ({first_few([repr(n) for n in names])})"
        for names, kind, so in (
            (unlearned, "training", "they cannot be learned"),
            (unmeasured, "validation", "nothing is measured on them"),
        )
        if names
    ]
    return Finding(
        name="class-missing",
        confidence="high",
        summary="; ".join(parts) + ".",
        evidence={
            "classes": len(classes),
            "without_validation_images": len(unmeasured),
            "without_training_images": len(unlearned),
            "missing": (unlearned + unmeasured)[:_LISTED],
        },
        command=_larger_validation(commands),
    )


def few_validation_images(right: int, count: int, *, commands: Commands) -> Finding | None:
    """The 95 % interval of the share of right answers is wider than ten points.

    right, count  how many validation images were answered rightly, and how many there are
    """
    low, high = wilson_interval(right / count, count)
    if high - low <= _WIDE:
        return None
    return Finding(
        name="few-validation-images",
        confidence="high" if high - low > _VERY_WIDE else "medium",
        summary=f"With {count} validation images the figure means little: {100 * right / count:.1f} % of them are "
        f"right, but of many more it might be anything from {100 * low:.0f} to {100 * high:.0f} % (95 % interval).",
        evidence={"images": count, "right": right, "interval": [low, high]},
        command=_larger_validation(commands),
    )


def _larger_validation(commands: Commands) -> str:
    """Hold out more images where they were drawn; else fit again, once there are more."""
    recipe = commands.recipe
    if not recipe.data.drawn or recipe.valid_share >= _LARGEST_SHARE:
        return commands.fit()
    return commands.fit("--valid-share", f"{min(_LARGEST_SHARE, 2 * recipe.valid_share):g}")
