"""The folder of all caches of decoded images: what is in it, what may go, and how much may be there.

A cache is a folder with the file about.json, which marks it as ours and names the data set that it belongs to; its time
of change is that of the last use. Two locks (flock: a killed process holds none) protect a cache:

    the folder itself   exclusive while it is filled
    in-use              shared by every process that reads the pixels

What holds neither may be removed. Nothing but our own files is: no link is followed, and a folder with a file of
somebody else's stays.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import RecipeError
from trainer.posix import flags, lock

ABOUT = "about.json"
PIXELS = "pixels.u8"
INDEX = "index.jsonl"
_IN_USE = "in-use"
_OWN_FILES = (PIXELS, INDEX, _IN_USE, f".{ABOUT}.partial", ABOUT)  # the marker goes last
_MARK = "fieldguide-cache"

_DEFAULT_FRACTION = 0.2  # of the disk that would be free without any cache
_UNITS = {
    **{"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12},
    **{"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12},
    **{"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40},
}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """One cache.

    Attributes:
        path: Its folder.
        data: Folder of the images that it was made from.
        pixels: How they were decoded, such as `squish 288`.
        size_bytes: On the disk.
        last_used: Seconds since 1970.
        in_use: Whether a process fills or reads it.
    """

    path: Path
    data: str
    pixels: str
    size_bytes: int
    last_used: float
    in_use: bool


class Lease:
    """Keeps a cache from being removed, for as long as this object lives or until `release`."""

    def __init__(self, home: Path) -> None:
        descriptor = os.open(home / _IN_USE, flags("O_RDWR", "O_CREAT", "O_NOFOLLOW", "O_CLOEXEC"), 0o666)
        lock(descriptor, shared=True)
        self.release = weakref.finalize(self, os.close, descriptor)
        self._descriptor = descriptor

    def is_only(self) -> bool:
        """Whether no other process, and nothing else in this one, reads the pixels."""
        try:
            lock(self._descriptor, wait=False)
        except BlockingIOError:
            return False
        finally:
            lock(self._descriptor, shared=True)
        return True


def parse_bytes(text: str | int) -> int:
    """Read a number of bytes: 500000000, "500 MB", "1.5GB", "2GiB".

    Raises:
        RecipeError: It is something else, or negative.
    """
    match = _SIZE.fullmatch(str(text))
    if match is None or match[2].upper() not in _UNITS or isinstance(text, bool):
        raise RecipeError(f"`cache_max` is {text!r}; give a number of bytes, such as 500MB or 20GB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def format_bytes(count: float) -> str:
    """A number of bytes for people: 1.3 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB" if count < 1000 else f"{count:,.0f} TB"


def mark(home: Path, *, data: Path | None, pixels: str) -> None:
    """Mark a folder as ours, and as used now."""
    about = home / ABOUT
    if not about.exists():
        partial = home / f".{ABOUT}.partial"
        value = {"kind": _MARK, "data": "" if data is None else str(data), "pixels": pixels}
        partial.write_text(json.dumps(value) + "\n", encoding="utf-8")
        partial.replace(about)
    os.utime(about)


def list_caches(folder: Path) -> list[CacheEntry]:
    """Every cache in the folder of all caches, the last used first; empty if there is no such folder."""
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [entry for path in paths if (entry := _read(path)) is not None]
    return sorted(found, key=lambda entry: -entry.last_used)


def max_cache_bytes(folder: Path, limit: int | None) -> int:
    """The largest size of all caches together: `limit`, or by default a fifth of the disk that is free without them."""
    if limit is not None:
        return limit
    return int(_DEFAULT_FRACTION * (free_bytes(folder) + sum(entry.size_bytes for entry in list_caches(folder))))


def free_bytes(folder: Path) -> int:
    """Free bytes of the disk that a folder is on; the folder need not exist."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free


def make_room(folder: Path, needed: int, limit: int | None) -> bool:
    """Remove the caches that were used longest ago until there is room for more bytes; none that is in use.

    Args:
        folder: Of all caches.
        needed: Bytes to come.
        limit: See `max_cache_bytes`.

    Returns:
        Whether there is room. If there cannot be, nothing is removed.
    """
    allowed, free = max_cache_bytes(folder, limit), free_bytes(folder)
    entries = list_caches(folder)
    present = sum(entry.size_bytes for entry in entries)
    excess = max(present + needed - allowed, needed - free)
    idle = [entry for entry in reversed(entries) if not entry.in_use]
    if excess > sum(entry.size_bytes for entry in idle):
        return False
    for entry in idle:
        if excess <= 0:
            break
        if remove_cache(entry.path):
            excess -= entry.size_bytes
    return excess <= 0


def clear_caches(folder: Path, *, older_than_days: float = 0.0) -> tuple[list[CacheEntry], list[CacheEntry]]:
    """Remove caches that nothing uses.

    Args:
        folder: Of all caches.
        older_than_days: Only those that were last used more days ago.

    Returns:
        What was removed, and what was to be removed and stays.
    """
    last = time.time() - 86_400 * older_than_days
    old = [entry for entry in list_caches(folder) if not older_than_days or entry.last_used < last]
    removed = [entry for entry in old if remove_cache(entry.path)]
    return removed, [entry for entry in old if entry not in removed]


def remove_cache(home: Path) -> bool:
    """Remove a cache, unless it is in use; returns whether it is gone. A file of somebody else's in it stays."""
    with _unused(home) as descriptor:
        if descriptor is None:
            return False
        for name in _OWN_FILES:
            try:
                os.unlink(name, dir_fd=descriptor)  # a link is removed, not what it names
            except FileNotFoundError:
                pass
            except OSError:
                return False
        try:
            home.rmdir()
        except OSError:
            return not (home / ABOUT).exists()
        return True


def _read(home: Path) -> CacheEntry | None:
    """What is at a path; None if it is not a cache of ours."""
    try:
        about = home / ABOUT
        if not stat.S_ISDIR(home.lstat().st_mode) or not stat.S_ISREG(about.lstat().st_mode):
            return None
        value = json.loads(about.read_text(encoding="utf-8"))
        if value.get("kind") != _MARK:
            return None
        sizes = [(home / name).lstat().st_size for name in _OWN_FILES if os.path.lexists(home / name)]
        with _unused(home) as descriptor:
            in_use = descriptor is None
        return CacheEntry(
            path=home,
            data=str(value.get("data", "")),
            pixels=str(value.get("pixels", "")),
            size_bytes=sum(sizes),
            last_used=about.lstat().st_mtime,
            in_use=in_use,
        )
    except (OSError, ValueError, AttributeError):  # removed meanwhile, or a file of somebody else's
        return None


@contextmanager
def _unused(home: Path) -> Iterator[int | None]:
    """Hold both locks of a cache; gives a descriptor of its folder, or None if it is in use or not there."""
    descriptors: list[int] = []
    try:
        try:
            descriptors.append(os.open(home, flags("O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC")))
            lock(descriptors[0], wait=False)
            if os.path.lexists(home / _IN_USE):
                kind = flags("O_RDONLY", "O_NOFOLLOW", "O_CLOEXEC")
                descriptors.append(os.open(_IN_USE, kind, dir_fd=descriptors[0]))
                lock(descriptors[1], wait=False)
        except OSError:
            yield None
            return
        yield descriptors[0]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
