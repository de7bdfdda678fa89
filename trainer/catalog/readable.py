"""How many unreadable images are still a dataset."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.catalog.errors import CatalogError, first_few
from trainer.catalog.row import Row


def require_readable(total: int, unreadable: Mapping[Row, str], *, most_share: float = 0.1) -> None:
    """Raise CatalogError with the first five when more than `most_share` of `total` images cannot be decoded.

    unreadable  row -> why it cannot be decoded
    """
    if len(unreadable) <= most_share * total:
        return
    reasons = [f"{row.path}: {unreadable[row]}" for row in sorted(unreadable, key=lambda row: row.path)]
    raise CatalogError(
        f"{len(unreadable):,} of {total:,} images cannot be decoded, more than {most_share:.0%}; "
        f"mend or remove them, beginning with {first_few(reasons, separator=' | ')}"
    )
