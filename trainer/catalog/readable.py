"""How many unreadable images are still a dataset, and which classes are lost with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from trainer.catalog.errors import first_few
from trainer.catalog.labels import natural_key
from trainer.catalog.row import Row
from trainer.errors import CatalogError


def require_readable(total: int, unreadable: Mapping[Row, str], *, max_fraction: float = 0.1) -> None:
    """Raise CatalogError with the first five when more than `max_fraction` of `total` images cannot be decoded.

    unreadable  row -> why it cannot be decoded
    """
    if len(unreadable) <= max_fraction * total:
        return
    reasons = [f"{row.path}: {unreadable[row]}" for row in sorted(unreadable, key=lambda row: row.path)]
    raise CatalogError(
        f"{len(unreadable):,} of {total:,} images cannot be decoded, more than {max_fraction:.0%}; "
        f"mend or remove them, beginning with {first_few(reasons, separator=' | ')}"
    )


def lost_classes(unreadable: Iterable[Row], classes: Collection[str]) -> tuple[str, ...]:
    """Labels of undecodable training images that are none of the classes which are left; in natural order."""
    labels = {label for row in unreadable if row.split == "train" for label in row.labels}
    return tuple(sorted(labels - set(classes), key=natural_key))
