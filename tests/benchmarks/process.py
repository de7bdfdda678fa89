"""What a process holds, as Linux tells it (proc(5))."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
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


def process_tree(pid: int) -> list[int]:
    """A process and everything that it and its children started and that still runs."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            if folder.name.isdecimal():
                children.setdefault(int(_stat(folder)[1]), []).append(int(folder.name))
    tree = [pid]
    for member in tree:
        tree += children.get(member, [])
    return tree


def proportional_bytes(pids: Sequence[int]) -> int:
    """Resident memory of processes together: a page that several hold counts once in all."""
    found = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found


def processor_s(pids: Sequence[int]) -> float:
    """Processor time that processes took so far, in user and kernel mode."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = _stat(Path(f"/proc/{pid}"))
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def thread_processor_s(pid: int) -> dict[int, float]:
    """Processor time that each thread of a process took so far; the key of the first thread is `pid`."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(task.name): int((task / "schedstat").read_text().split()[0]) / 1e9 for task in tasks}


@contextlib.contextmanager
def stolen_share() -> Iterator[Callable[[], float]]:
    """Gives a function that says, at the end, which share of all processor time the host gave to other guests."""

    def look() -> tuple[int, int]:
        first = Path("/proc/stat").read_text().splitlines()[0]
        ticks = [int(field) for field in first.split()[1:9]]  # user to steal; guest time is in user already
        return ticks[7], sum(ticks)

    stolen, all_ = look()
    latest = [0.0]
    yield lambda: latest[0]
    stolen_now, all_now = look()
    latest[0] = (stolen_now - stolen) / max(1, all_now - all_)


def _stat(folder: Path) -> list[str]:
    """Fields of `stat` from the third on: the second, the command, is in parentheses and may hold anything."""
    return (folder / "stat").read_text().rpartition(")")[2].split()
