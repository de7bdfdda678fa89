"""The control groups of this process (Linux, version 1 and 2), and the limit on memory that they and the machine set.

A limit of a group holds for all its processes together, and for those of the groups in it. So each limit is looked up
in the process's own group and in all its parents.
"""

from __future__ import annotations

from pathlib import Path

# Version 1 writes "no limit" as the largest number of pages that fits into 63 bits.
_UNLIMITED_BYTES = 1 << 60


def group_folders(controller: str, *, root: Path = Path("/")) -> dict[int, list[Path]]:
    """Return the folders of this process's control groups, each group before its parents.

    In a container, a group's path may be that of the host. Then its folder does not exist, but that of the mount is
    the container's own group.

    Args:
        controller: Name of a controller, as version 1 has it: cpu, memory.
        root: Folder with `proc` and `sys`.

    Returns:
        Version (1, 2) -> folders. Some may not exist.
    """
    found: dict[int, list[Path]] = {1: [], 2: []}
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            found[2] += _with_parents(root / "sys/fs/cgroup", group)
        elif controller in controllers.split(","):
            found[1] += _with_parents(root / "sys/fs/cgroup" / controller, group)
    return found


def memory_limit_bytes(*, root: Path = Path("/")) -> int | None:
    """Return how much memory this process's control groups and the machine allow, bytes; None if that is not known.

    It is the smallest limit of all groups: above `memory.max` processes are killed, above `memory.high` they are slowed
    down until they hardly run. A virtual machine, as some hosts give to a container, has no group with a limit: its
    memory is the limit. Swap is not counted.

    Args:
        root: Folder with `proc` and `sys`.
    """
    groups = group_folders("memory", root=root)
    files = [folder / name for folder in groups[2] for name in ("memory.max", "memory.high")]
    files += [folder / "memory.limit_in_bytes" for folder in groups[1]]
    limits = [int(word) for file in files for word in read_words(file) if word != "max"]
    limits += [1024 * int(kib) for kib in read_words(root / "proc/meminfo")[1:2]]  # the first line is MemTotal
    return min((limit for limit in limits if limit < _UNLIMITED_BYTES), default=None)


def read_words(path: Path) -> list[str]:
    """Return the words of a file; none if it cannot be read."""
    try:
        return path.read_text().split()
    except OSError:
        return []


def _with_parents(mount: Path, group: str) -> list[Path]:
    """Return the folder of a control group and those of its parents, up to the mount."""
    folder = mount / group.strip("/")
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(mount))]
