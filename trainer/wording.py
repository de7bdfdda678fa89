"""Words for numbers in messages. A number of one is common with few images, and reads wrong with a plural."""

from __future__ import annotations


def counted(count: int, one: str, several: str = "") -> str:
    """Return a number and its noun: `1 image`, `2,000 images`.

    Args:
        count: The number.
        one: The noun in the singular.
        several: Its plural.  [default: the singular and an s]
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def have(count: int) -> str:
    """Return the verb after a number of things that have something."""
    return "has" if count == 1 else "have"
