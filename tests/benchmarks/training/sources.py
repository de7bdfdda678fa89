"""Which source code a result was measured with."""

from __future__ import annotations

import hashlib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_PARTS = ("trainer", "service/pixels")


def code_digest(root: Path = _ROOT) -> str:
    """Return a short digest of the code that trains and decodes: every module under trainer and service/pixels."""
    digest = hashlib.sha256()
    for path in sorted(path for part in _PARTS for path in (root / part).rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def require_code(digest: str) -> None:
    """Raise RuntimeError if the source code no longer has this digest: its results would be those of other code."""
    if code_digest() != digest:
        raise RuntimeError(
            f"a module under {' or '.join(_PARTS)} was changed while the benchmark ran; start it again, or run it from "
            "a clone that nobody edits"
        )
