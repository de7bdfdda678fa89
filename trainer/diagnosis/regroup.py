"""Another split of the same images, in which near duplicates stand on one side."""

from __future__ import annotations

from dataclasses import replace

from trainer.catalog import Catalog, hold_out
from trainer.diagnosis.near_duplicates import FloatArray, near_duplicate_groups
from trainer.errors import CatalogError

# A little under what is called a near duplicate, so that no such pair is left across the split.
_LINKED = 0.7


def regroup(catalog: Catalog, features: FloatArray, *, seed: int) -> Catalog | None:
    """As many images for validation as before, drawn anew by groups of near duplicates; None where all are one group.

    features  [N + M, C], embeddings of the training rows and then of the validation rows
    """
    rows = (*catalog.split("train"), *catalog.split("valid"))
    groups = near_duplicate_groups(features, threshold=_LINKED)
    held = hold_out(
        [row.path for row in rows],
        [row.labels for row in rows],
        fraction=len(catalog.split("valid")) / len(rows),
        seed=seed,
        groups=[str(group) for group in groups],
    )
    drawn = tuple(replace(row, split="valid" if out else "train") for row, out in zip(rows, held, strict=True))
    try:
        return replace(catalog, rows=(*drawn, *catalog.split("test")))
    except CatalogError:
        return None
