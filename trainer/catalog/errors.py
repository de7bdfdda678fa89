"""The one exception of the catalog, and how its sentences list things."""

from __future__ import annotations

from collections.abc import Sequence


def first_few(items: Sequence[str], *, most: int = 5, separator: str = ", ") -> str:
    """`a, b, c, d, e and 7 more`."""
    shown = separator.join(items[:most])
    return f"{shown} and {len(items) - most:,} more" if len(items) > most else shown
