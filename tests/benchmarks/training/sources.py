"""Which source a figure was measured with."""

from __future__ import annotations

import hashlib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_PARTS = ("trainer", "service/pixels")


def code_digest(root: Path = _ROOT) -> str:
    """A short name for the source that trains and decodes: every module under trainer and service/pixels."""
    said = hashlib.sha256()
    for path in sorted(path for part in _PARTS for path in (root / part).rglob("*.py")):
        content = path.read_bytes()
        said.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return said.hexdigest()[:12]


def require_code(digest: str) -> None:
    """Raise RuntimeError where the source is not that of the digest any more: no figure would belong to it."""
    if code_digest() != digest:
        raise RuntimeError(
            f"a module under {' or '.join(_PARTS)} was changed while the benchmark ran; start it again, or run it from "
            "a clone that nobody edits"
        )
