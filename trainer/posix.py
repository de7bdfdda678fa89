"""What only POSIX systems have. Elsewhere it is left out, so that every module can be imported (Windows: untested)."""

from __future__ import annotations

import functools
import operator
import os
from typing import Protocol

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


def flags(*names: str) -> int:
    """Return the flags of `os.open` with these names, without those that this system does not have."""
    return functools.reduce(operator.or_, (getattr(os, name, 0) for name in names))


def lock(file: int | _HasFileno, *, shared: bool = False, wait: bool = True) -> None:
    """Lock an open file or folder until it is closed (flock): a process that ends or is killed holds no lock.

    Without flock nothing is locked: only one process may work on a run or a cache then.

    Args:
        file: The file, or its descriptor.
        shared: Whether others may hold a shared lock at the same time.
        wait: Whether to wait for others that hold a lock.

    Raises:
        BlockingIOError: Another process holds a lock, and `wait` is false.
    """
    if fcntl is not None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
