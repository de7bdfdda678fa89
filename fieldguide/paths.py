"""Paths as people give them."""

from __future__ import annotations

import os
from pathlib import Path

StrPath = str | os.PathLike[str]


def optional_path(path: StrPath | None) -> Path | None:
    """The path, or None if there is none."""
    return None if path is None else Path(path)
