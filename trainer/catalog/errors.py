"""The one exception of the catalog, and how its sentences list things."""

from __future__ import annotations

from collections.abc import Sequence


class CatalogError(Exception):
    """The images or their table cannot be used. One sentence: what was wrong, where, and what to do."""


def first_few(items: Sequence[str], *, most: int = 5, separator: str = ", ") -> str:
    """`a, b, c, d, e and 7 more`."""
    shown = separator.join(items[:most])
    return f"{shown} and {len(items) - most:,} more" if len(items) > most else shown
