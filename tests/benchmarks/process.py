"""What a process holds, as Linux tells it (proc(5))."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """Resident memory now and at most so far, open files, threads."""

    resident_bytes: int
    peak_bytes: int
    files: int
    threads: int


def holdings(pid: int) -> Holdings:
    """Of a running process of the same user."""
    root = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (root / "status").read_text().splitlines())
    return Holdings(
        resident_bytes=1024 * int(status["VmRSS"].split()[0]),
        peak_bytes=1024 * int(status["VmHWM"].split()[0]),
        files=len(list((root / "fd").iterdir())),
        threads=int(status["Threads"]),
    )
