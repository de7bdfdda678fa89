"""Paths and numbers as people give them."""

from __future__ import annotations

import os
from pathlib import Path

StrPath = str | os.PathLike[str]


def optional_path(path: StrPath | None) -> Path | None:
    """The path, or None if there is none."""
    return None if path is None else Path(path)


def require_positive(n: int) -> None:
    """Raise ValueError if a number of images or pairs is less than 1."""
    if n < 1:
        raise ValueError(f"`n` is {n}; it must be at least 1")
