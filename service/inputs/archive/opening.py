"""The archive at a path, opened once for as long as it does not change."""

from __future__ import annotations

import threading
from pathlib import Path

from service.inputs.archive import gzip, zips
from service.inputs.archive.limits import ArchiveLimits
from service.inputs.archive.members import Archive
from service.inputs.archive.tars import TarArchive
from service.inputs.archive.zips import ZipArchive
from service.inputs.errors import InputError

ARCHIVE_SUFFIXES = (".zip", ".tar.gz", ".tgz", ".tar")
# What is an archive, but not one that is read.
_OTHER_SUFFIXES = (".7z", ".rar", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
_MOST_OPEN = 8
_Key = tuple[int, int, int, int]
_open: dict[Path, tuple[_Key, Archive]] = {}
_lock = threading.RLock()
_LIMITS = ArchiveLimits()


def is_archive(path: Path) -> bool:
    """Whether a path is an archive of images, judged by its suffix. A folder is never one."""
    return path.name.casefold().endswith((*ARCHIVE_SUFFIXES, *_OTHER_SUFFIXES)) and not path.is_dir()


def has_archive_suffix(text: str) -> bool:
    """Whether one of the suffixes of archives that are read is anywhere in a path."""
    folded = text.casefold()
    return any(suffix in folded for suffix in ARCHIVE_SUFFIXES)


def archive_stem(path: Path) -> str:
    """The name of an archive without its suffix: `photos` of `photos.tar.gz`; of another file without its last one."""
    suffix = next((suffix for suffix in ARCHIVE_SUFFIXES if path.name.casefold().endswith(suffix)), path.suffix)
    return path.name[: len(path.name) - len(suffix)]


def open_archive(path: Path, limits: ArchiveLimits = _LIMITS) -> Archive:
    """Return the archive at a path. One that was opened before, and has not changed, is not read again.

    Args:
        path: A zip, tar or tar.gz; what it is decides its content.
        limits: What is refused.

    Raises:
        InputError: It is not an archive that is read here, or it is damaged or over a limit.
        OSError: It cannot be read.
    """
    with _lock:
        status = path.stat()
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        found = _open.get(path)
        if found is None or found[0] != key or found[1].limits != limits:
            _open.pop(path, None)
            while len(_open) >= _MOST_OPEN:
                _open.pop(next(iter(_open)))
            _open[path] = found = (key, _read(path, limits))
        return found[1]


def _read(path: Path, limits: ArchiveLimits) -> Archive:
    if path.name.casefold().endswith(_OTHER_SUFFIXES):
        raise InputError(
            f"{path}: archives of this kind are not read; unpack it and give the folder, or pack it as "
            f"{', '.join(ARCHIVE_SUFFIXES)}."
        )
    with path.open("rb") as file:
        start = file.read(4)
    if start in zips.MAGICS:
        return ZipArchive(path, limits)
    return TarArchive(path, limits, is_gzip=start.startswith(gzip.MAGIC))
