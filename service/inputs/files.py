"""Files and folders on the disk, and in archives as if these were folders: `photos.zip/cat/1.jpg`.

Everything that reads an image by its path reads it with `read_bytes` or `open_file`.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from service.inputs.archive import Archive, has_archive_suffix, is_archive, open_archive
from service.inputs.errors import InputError


class Entry(Protocol):
    """A file or folder in a listing: `os.DirEntry`, or one in an archive."""

    @property
    def name(self) -> str:
        """Without its folder."""

    def is_dir(self) -> bool:
        """Whether it is a folder, or a link to one."""

    def is_file(self) -> bool:
        """Whether it is a file, or a link to one."""

    def is_symlink(self) -> bool:
        """Whether it is a link."""


def open_file(path: Path) -> io.BufferedReader | io.BytesIO:
    """Open a file to read its bytes.

    Raises:
        OSError: It is not there, or cannot be read.
    """
    try:
        return path.open("rb")
    except NotADirectoryError:
        found = _locate(path)
        if found is None:
            raise
        return found.open("rb") if isinstance(found, Path) else io.BytesIO(found.archive.read(found.name))


def read_bytes(path: Path) -> bytes:
    """Return the content of a file. Raises OSError if it is not there, or cannot be read."""
    with open_file(path) as file:
        return file.read()


def is_file(path: str | Path) -> bool:
    """Whether there is a file at this path, or a link to one."""
    if os.path.isfile(path):  # noqa: PTH113  (a million times)
        return True
    if not has_archive_suffix(str(path)):
        return False
    try:
        found = _locate(Path(path))
    except OSError:
        return False
    if found is None or isinstance(found, Path):
        return found is not None and found.is_file()
    return found.archive.is_file(found.name)


def list_folder(folder: Path) -> Sequence[Entry]:
    """List a folder, sorted by name.

    Raises:
        OSError: It is not a folder, or cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except NotADirectoryError:
        found = _locate(folder)
        if found is None or isinstance(found, Path):
            raise
        return sorted(found.archive.entries(found.name), key=lambda entry: entry.name)


def identity(folder: Path) -> Hashable:
    """The same for every path that leads to this folder. Raises OSError if it is not there."""
    try:
        status = folder.stat()
    except NotADirectoryError:
        return os.path.normpath(folder)
    return status.st_dev, status.st_ino


def top_folder(archive: Path) -> Path:
    """The folder in an archive that contains all of it, as if it were the folder that was packed; else the archive.

    What systems leave beside it is ignored.

    Raises:
        InputError: The archive cannot be used.
        OSError: It cannot be read.
    """
    entries = [
        entry
        for entry in open_archive(archive).entries("")
        if not entry.name.startswith(".") and entry.name != "__MACOSX"
    ]
    return archive / entries[0].name if len(entries) == 1 and entries[0].is_dir() else archive


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A place in an archive; the name is empty for the archive itself."""

    archive: Archive
    name: str


def _locate(path: Path) -> _Place | Path | None:
    """Where a path leads that goes through an archive: into it, or out of it (`photos.zip/../x.jpg`) to the disk.

    Returns:
        None if it does not go through an archive.

    Raises:
        OSError: The archive cannot be read or used.
    """
    if not has_archive_suffix(str(path)):
        return None
    plain = Path(os.path.normpath(path))
    for parent in (plain, *plain.parents):
        if is_archive(parent) and parent.is_file():
            try:
                archive = open_archive(parent)
            except InputError as error:
                raise OSError(errno.EIO, str(error), str(path)) from error
            return _Place(archive=archive, name="" if parent == plain else plain.relative_to(parent).as_posix())
    leaves_one = any(is_archive(parent) and parent.is_file() for parent in path.parents)
    return plain if leaves_one else None
