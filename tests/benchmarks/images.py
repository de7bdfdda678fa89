"""The photos that the service's benchmarks upload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def read_images(paths: Sequence[Path], *, most: int) -> list[bytes]:
    """Read at most `most` encoded images, evenly spaced in the folders."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    files = [file for file in files if file.suffix.lower() in SUFFIXES]
    return [file.read_bytes() for file in files[:: max(1, len(files) // most)][:most]]
