"""Files of a test, written at once."""

from __future__ import annotations

from pathlib import Path


def write_files(root: Path, **files: str) -> None:
    """Write each text to its path below `root`, and make the folders."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
