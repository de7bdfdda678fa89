"""Where a run computes."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from service.cores import usable_cores
from trainer.data import Decoding, TrainingData, parse_bytes
from trainer.errors import RecipeError
from trainer.progress import NoProgress, Progress
from trainer.training.device import limit_threads
from trainer.training.distributed import SINGLE_PROCESS, Distributed, init_distributed
from trainer.training.history import History
from trainer.training.session import Session, open_session


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a run computes and keeps its decoded images. Apart from rounding, it does not change the result.

    Attributes:
        device: Where the network runs.
        threads: Number of threads that decode and evaluate.
        cache: Folder of decoded images, shared by all runs.
        max_cache_bytes: Largest size of that folder; None: a fifth of the disk that would be free without it.
        progress: Where a person sees what happens.
        distributed: The processes that train together; the main one writes files and reports.
    """

    device: torch.device
    threads: int
    cache: Path
    progress: Progress
    distributed: Distributed = SINGLE_PROCESS
    max_cache_bytes: int | None = None

    @property
    def decoding(self) -> Decoding:
        """How images are decoded, and where they are kept."""
        progress = self.progress if self.distributed.is_main else NoProgress()  # one warning, not one of each process
        # torchrun's processes on this machine share its cores: only the main one fills the cache, but all may decode.
        workers = max(1, self.threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        return Decoding(
            cache=self.cache,
            threads=self.threads,
            progress=progress,
            max_bytes=self.max_cache_bytes,
            workers=workers,
        )

    def open_session(self, data: TrainingData, history: History) -> Session:
        """A session of training on these images. Raises FitError if the device has not enough memory."""
        return open_session(
            data.train, self.device, distributed=self.distributed, history=history, progress=self.progress
        )


@contextmanager
def open_environment(
    *,
    device: str = "auto",
    threads: int | None = None,
    cache: Path | None = None,
    cache_max: str | int | None = None,
    show: Callable[[bool], AbstractContextManager[Progress]],
) -> Iterator[Environment]:
    """Join the processes that torchrun started, if it did, and find the device.

    Args:
        device: auto, cpu, cuda, cuda:1 or mps.
        threads: Number of threads that decode and evaluate; None: one for each usable core.
        cache: Folder of decoded images; None: `default_cache`.
        cache_max: Largest size of that folder, such as 20GB; None: FIELDGUIDE_CACHE_MAX, else a fifth of the disk that
            would be free without it.
        show: Opens the progress; its argument is whether this is the main process, which reports for all.

    Raises:
        DeviceError: There is no such device.
        RecipeError: `threads` is below 1, or `cache_max` is not a number of bytes.
    """
    cache_max = os.environ.get("FIELDGUIDE_CACHE_MAX") or None if cache_max is None else cache_max
    max_cache_bytes = None if cache_max is None else parse_bytes(cache_max)
    limit_threads(usable_cores())
    with init_distributed() as distributed, show(distributed.is_main) as progress:
        yield Environment(
            device=distributed.device(device),
            threads=usable_threads(threads),
            cache=cache or default_cache(warn=progress.warn),
            progress=progress,
            distributed=distributed,
            max_cache_bytes=max_cache_bytes,
        )


def usable_threads(threads: int | None) -> int:
    """The number of threads that was asked for; None: one for each usable core. Raises RecipeError if it is below 1."""
    if threads is None:
        return usable_cores()
    if threads < 1:
        raise RecipeError(f"`threads` is {threads}; it must be at least 1")
    return threads


def default_cache(*, warn: Callable[[str], None]) -> Path:
    """The folder of decoded images: FIELDGUIDE_CACHE, else `fieldguide` in the user's folder for caches.

    Containers often run as a user who has no home directory, or may not write there: then it is a folder for temporary
    files.

    Args:
        warn: Called with one line if it is that.
    """
    named = os.environ.get("FIELDGUIDE_CACHE")
    if named:
        return Path(named)
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "fieldguide")
    except RuntimeError:  # neither HOME nor the list of users names one
        wrong = "this user has no home directory"
    else:
        if _may_write(cache):
            return cache
        wrong = f"nothing can be written to {cache}"
    temporary = _private_temporary_folder()
    warn(f"{wrong}, so decoded images are kept in {temporary}; `cache` or FIELDGUIDE_CACHE names another folder")
    return temporary


def _may_write(folder: Path) -> bool:
    """Whether files can be written to a folder, or to the first one above it that exists."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _private_temporary_folder() -> Path:
    """A folder for temporary files that is there again next time, and in which only this user can put images."""
    folder = Path(tempfile.gettempdir(), f"fieldguide-cache-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return folder
    return Path(tempfile.mkdtemp(prefix="fieldguide-cache-"))  # somebody else has taken the name
