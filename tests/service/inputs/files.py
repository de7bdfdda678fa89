"""Files for tests that read names and bytes but never decode an image."""

from __future__ import annotations

from pathlib import Path


def put(root: Path, *paths: str) -> Path:
    """Files under `root`, each with its own path as its content."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path, encoding="utf-8")
    return root
