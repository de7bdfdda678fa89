"""Memory, processor time, files and threads of processes, from Linux's /proc; see proc(5)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ProcessUsage:
    """Resident memory now and its peak so far, open files, threads."""

    resident_bytes: int
    peak_bytes: int
    files: int
    threads: int


def process_usage(pid: int) -> ProcessUsage:
    """Read the usage of a running process of the same user."""
    root = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (root / "status").read_text().splitlines())
    return ProcessUsage(
        resident_bytes=1024 * int(status["VmRSS"].split()[0]),
        peak_bytes=1024 * int(status["VmHWM"].split()[0]),
        files=len(list((root / "fd").iterdir())),
        threads=int(status["Threads"]),
    )


def process_tree(pid: int) -> list[int]:
    """Return a process and all its running descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if folder.name.isdecimal():
                children.setdefault(int(_stat(folder)[1]), []).append(int(folder.name))
    tree = [pid]
    for member in tree:
        tree += children.get(member, [])
    return tree


def proportional_bytes(pids: Sequence[int]) -> int:
    """Return the resident memory of processes together: a page that several share counts once."""
    found = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found


def processor_s(pids: Sequence[int]) -> float:
    """Return the processor time of processes so far, in user and kernel mode."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = _stat(Path(f"/proc/{pid}"))
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def thread_processor_s(pid: int) -> dict[int, float]:
    """Return the processor time of each thread of a process so far; the key of the first thread is `pid`."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(task.name): int((task / "schedstat").read_text().split()[0]) / 1e9 for task in tasks}


@contextlib.contextmanager
def stolen_fraction() -> Iterator[Callable[[], float]]:
    """Yield a function that returns, after the block, the fraction of processor time that went to other guests."""

    def read_ticks() -> tuple[int, int]:
        first = Path("/proc/stat").read_text().splitlines()[0]
        ticks = [int(field) for field in first.split()[1:9]]  # user to steal; guest time is in user already
        return ticks[7], sum(ticks)

    stolen_before, all_before = read_ticks()
    fraction = 0.0
    yield lambda: fraction
    stolen, all_ = read_ticks()
    fraction = (stolen - stolen_before) / max(1, all_ - all_before)


def _stat(folder: Path) -> list[str]:
    """Fields of `stat` from the third on: the second, the command, is in parentheses and may contain anything."""
    return (folder / "stat").read_text().rpartition(")")[2].split()
