"""Names that a table can hold, and lists in messages."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Control characters, and the lone surrogates that stand for bytes that are not UTF-8 (PEP 383).
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ESCAPED_BYTES = re.compile("[\udc80-\udcff]")


def unwritable(text: str) -> bool:
    """Whether a UTF-8 table or page cannot hold `text`: it has control characters, or bytes that are not UTF-8."""
    return _UNWRITABLE.search(text) is not None


def has_escaped_bytes(text: str) -> bool:
    """Whether `text` was read with `surrogateescape` from bytes that are not UTF-8 (PEP 383)."""
    return not text.isascii() and _ESCAPED_BYTES.search(text) is not None


def first_few(items: Sequence[str], *, most: int = 5, separator: str = ", ") -> str:
    """The first `most` items and how many more there are: `a, b, c, d, e and 7 more`."""
    shown = separator.join(items[:most])
    return f"{shown} and {len(items) - most:,} more" if len(items) > most else shown
