"""How many CPU cores this process may use: limited by its affinity and by the quotas of its control groups."""

from __future__ import annotations

import math
import os
from pathlib import Path


def usable_cores(*, root: Path = Path("/")) -> int:
    """Count the CPU cores that this process may use; at least 1. A quota of 1.5 cores counts as 2.

    Args:
        root: Folder with `proc` and `sys`.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *(math.ceil(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> list[float]:
    """Return the CPU quotas, in cores, of this process's control groups and of their parents (cgroup v1 and v2)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            mount = root / "sys/fs/cgroup"
            found += [_quota_v2(folder) for folder in _with_parents(mount, group)]
        elif "cpu" in controllers.split(","):
            mount = root / "sys/fs/cgroup/cpu"
            found += [_quota_v1(folder) for folder in _with_parents(mount, group)]
    return [quota for quota in found if quota is not None]


def _with_parents(mount: Path, group: str) -> list[Path]:
    """Return the folder of a control group and those of its parents, up to the mount."""
    folder = mount / group.strip("/")
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(mount))]


def _quota_v2(folder: Path) -> float | None:
    words = _words(folder / "cpu.max")
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _quota_v1(folder: Path) -> float | None:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    return int(quota[0]) / int(period[0]) if quota and period and int(quota[0]) > 0 else None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
