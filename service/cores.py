"""How many CPU cores this process may use, by its affinity and its control groups, and how many open files."""

from __future__ import annotations

import math
import os
from pathlib import Path

from service.control_groups import group_folders, read_words


def usable_cores(*, root: Path = Path("/")) -> int:
    """Count the CPU cores that this process may use; at least 1. A quota of 1.5 cores counts as 2.

    Args:
        root: Folder with `proc` and `sys`.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *(math.ceil(quota) for quota in _quotas(root))]))


def open_files_limit() -> int | None:
    """Return how many files this process may have open (`ulimit -n`); None if there is no limit that is known."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit


def _quotas(root: Path) -> list[float]:
    """Return the CPU quotas, in cores, of this process's control groups and of their parents."""
    groups = group_folders("cpu", root=root)
    found = [*map(_quota_v2, groups[2]), *map(_quota_v1, groups[1])]
    return [quota for quota in found if quota is not None]


def _quota_v2(folder: Path) -> float | None:
    words = read_words(folder / "cpu.max")
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _quota_v1(folder: Path) -> float | None:
    quota, period = read_words(folder / "cpu.cfs_quota_us"), read_words(folder / "cpu.cfs_period_us")
    return int(quota[0]) / int(period[0]) if quota and period and int(quota[0]) > 0 else None
