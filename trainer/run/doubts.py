"""How a bundle that may abstain, or names several labels, does on images of which the labels are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from service.bundle import ModelSpec
from trainer.predictions import PredictionRow


def has_doubts(chosen: ModelSpec) -> bool:
    """Return whether a model file may abstain, or names several labels."""
    return any(member is not None for member in (chosen.ood, chosen.abstain, chosen.set))


def measure_doubts(rows: Sequence[PredictionRow], chosen: ModelSpec) -> dict[str, dict[str, float]]:
    """Count what was answered, and what was in the sets.

    Args:
        rows: The predictions, each with its doubt.
        chosen: What spec.json says of the model file.

    Returns:
        `abstention` if it may abstain: of how many images the labels were given (`answered`) and how many of these were
        right (`right`), how many were `unknown` and `unsure`. `sets` if there are sets: how many have the right label
        (`right`), and how many labels they have (`mean_size`).
    """
    doubts = [row.doubt for row in rows if row.doubt is not None]
    found: dict[str, dict[str, float]] = {}
    if chosen.ood is not None or chosen.abstain is not None:
        reasons = Counter(doubt.abstained for doubt in doubts)
        found["abstention"] = {
            "answered": reasons[None],
            "right": sum(row.correct for row in rows if row.doubt is not None and row.doubt.abstained is None),
            "unknown": reasons["unknown"],
            "unsure": reasons["unsure"],
        }
    if chosen.set is not None:
        sets = [frozenset(doubt.label_set or ()) for doubt in doubts]
        found["sets"] = {
            "right": sum(row.labels <= labels for row, labels in zip(rows, sets, strict=True)),
            "mean_size": sum(map(len, sets)) / len(sets),
        }
    return found
