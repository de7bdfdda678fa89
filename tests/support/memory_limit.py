"""A limit on the memory of a process that the kernel enforces."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

# Mount of a hierarchy of control groups -> its files for the limit, for that of memory and swap, and for what it ended.
_HIERARCHIES = {
    Path("/sys/fs/cgroup"): ("memory.max", "memory.swap.max", "memory.events"),
    Path("/sys/fs/cgroup/memory"): ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control"),
}


class ControlGroup:
    """A process that exceeds the limit is killed. There is no swap.

    name    what enforces the limit
    within  the start of a command; the rest of it runs in the group
    """

    def __init__(self, folder: Path, files: tuple[str, str, str]) -> None:
        self._folder = folder
        self._most, self._swap, self._events = (folder / file for file in files)
        self.name = f"control group, {self._most.name}"
        self.within = ("sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh")

    @property
    def works(self) -> bool:
        """Whether this hierarchy limits memory, and the limit can be set."""
        return os.access(self._most, os.W_OK) and os.access(self._folder / "cgroup.procs", os.W_OK)

    def set(self, pid: int, *, resident_bytes: int, most_bytes: int) -> None:
        """Limit the process, which is in the group and has so much now."""
        self._most.write_text(str(most_bytes))
        with contextlib.suppress(OSError):  # a kernel without swap has no such file
            self._swap.write_text("0" if self._swap.name == "memory.swap.max" else str(most_bytes))

    def times_exceeded(self) -> int:
        """How many processes were killed."""
        events = dict(line.split() for line in self._events.read_text().splitlines())
        return int(events["oom_kill"])

    def remove(self) -> None:
        """Kill the processes in it, and remove it."""
        with contextlib.suppress(OSError):
            for pid in (self._folder / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
                os.waitpid(int(pid), 0)
        self._folder.rmdir()


class DataLimit:
    """A process that exceeds the limit (RLIMIT_DATA) gets no more memory, and answers 500. Reserved memory counts."""

    name = "RLIMIT_DATA"
    within = ()

    def set(self, pid: int, *, resident_bytes: int, most_bytes: int) -> None:
        """Limit the process, which has so much now."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        most = 1024 * int(status["VmData"].split()[0]) + most_bytes - resident_bytes
        resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))

    def times_exceeded(self) -> int:
        """Nothing is ever killed."""
        return 0


@contextlib.contextmanager
def memory_limit() -> Iterator[ControlGroup | DataLimit]:
    """The strictest limit that this machine allows. A control group is removed at the end."""
    for mount, files in _HIERARCHIES.items():
        folder = mount / f"fieldguide-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        group = ControlGroup(folder, files)
        try:
            if group.works:
                yield group
                return
        finally:
            group.remove()
    yield DataLimit()
