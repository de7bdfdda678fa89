"""The files of a bundle as they are delivered: in a folder, on a mounted volume, or in a zip.

What file systems, tools and volumes leave beside a bundle is passed over. Links are followed to regular files, since
volumes of Kubernetes and caches of downloads consist of them: what counts is the content, whose hash is checked.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Protocol

from service.bundle.errors import BundleRefused
from service.bundle.manifest import CHECKSUM, MANIFEST, check_path

# Files and folders that systems leave, anywhere.
_LEFT_BY_SYSTEMS = frozenset(
    {
        *(".DS_Store", "Thumbs.db", "desktop.ini", "lost+found", "@eaDir", "#recycle", "$RECYCLE.BIN"),
        *("System Volume Information", ".Spotlight-V100", ".Trashes", ".fseventsd", "__MACOSX"),
    }
)
# Those that the home of a model has beside it, at the top.
_LEFT_AT_THE_TOP = frozenset({".git", ".gitattributes", ".cache", "README.md"})
# `..data` and `..2026_11_28_22_00_00.123`: where a Kubernetes volume keeps the files that its links lead to.
_VOLUME_FOLDER = re.compile(r"\.\.(data|data_tmp|\d.*)")
_WITHOUT_WAITING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)  # Windows has no such flags
_MAX_RATIO = 100  # uncompressed / compressed bytes of a zip
_RATIO_FREE_BYTES = 1 << 20  # small files may be compressed better
_MAX_DIRECTORY_BYTES = 4 << 20  # of the list of files in a zip; in memory it takes 20 times as much
# What zipfile raises for files that are no zips, or that it cannot read.
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, EOFError, IndexError, NotImplementedError, OverflowError, ValueError),
    *(struct.error, zlib.error),
)


class Source(Protocol):
    """Where the files of a bundle are."""

    def unlisted(self, listed: Collection[str]) -> Iterator[str]:
        """Yield the paths that are there and not in `listed`, sorted.

        Raises:
            BundleRefused: A path is not plain, or something is not a regular file.
        """

    def read(self, name: str, max_bytes: int) -> bytes:
        """Read a file; one byte more than `max_bytes` if it is longer. Raises BundleRefused if it is not there."""


class FolderSource:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def unlisted(self, listed: Collection[str]) -> Iterator[str]:
        """Yield the paths that are there and not in `listed`, sorted; see `Source`."""
        folders = {parent.as_posix() for name in listed for parent in Path(name).parents}
        yield from sorted(self._unlisted(self._root, listed, folders))

    def read(self, name: str, max_bytes: int) -> bytes:
        """Read a file; see `Source`. The manifest and its checksum must be on the volume that the folder is on."""
        try:  # without blocking: opening a pipe would wait for its other end
            descriptor = os.open(self._root / name, _WITHOUT_WAITING)
        except FileNotFoundError as error:
            raise BundleRefused(f"{name} is missing") from error
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO, errno.ENOTDIR):
                raise
            raise BundleRefused(f"{name} is not a regular file") from error
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise BundleRefused(f"{name} is not a regular file")
        with open(descriptor, "rb") as file:
            if name in (MANIFEST, CHECKSUM) and not self._is_own(name, found):
                raise BundleRefused(f"{name} is a link to another volume; it must be where the bundle is")
            return file.read(max_bytes + 1)

    def _is_own(self, name: str, found: os.stat_result) -> bool:
        inside = (self._root / name).resolve().is_relative_to(self._root.resolve())
        return inside or found.st_dev == self._root.stat().st_dev

    def _unlisted(self, folder: Path, listed: Collection[str], folders: Collection[str]) -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = Path(entry.path).relative_to(self._root).as_posix()
                if name in listed or _is_passed_over(name):
                    continue
                check_path(name)
                # A linked folder is looked into only if the manifest names it, so that no circle of links is walked.
                if entry.is_dir(follow_symlinks=name in folders):
                    yield from self._unlisted(Path(entry.path), listed, folders)
                elif entry.is_file() or entry.is_symlink():
                    yield name
                else:
                    raise BundleRefused(f"{name} is not a regular file")


class _ZipFile(FileIO):
    """The file of a zip, of which no long piece may be read until all of its entries are listed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.is_listed = False

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.is_listed and size is not None and size > _MAX_DIRECTORY_BYTES:
            raise BundleRefused(f"the list of files in the zip is longer than {_MAX_DIRECTORY_BYTES:,} bytes")
        return super().read(size) or b""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_SET and offset < 0:
            raise zipfile.BadZipFile("a part of the zip is missing")
        return super().seek(offset, whence)


@contextmanager
def open_zip(path: Path) -> Iterator[ZipSource]:
    """Open a zip as a source.

    Raises:
        BundleRefused: It is no zip, or one that must not be read; see `ZipSource`.
        OSError: The file cannot be read.
    """
    with _ZipFile(path) as file:
        try:
            archive = zipfile.ZipFile(file)
        except _ZIP_ERRORS as error:
            raise BundleRefused(f"{path} is neither a bundle folder nor a zip of one: {error}") from error
        file.is_listed = True
        with archive:
            yield ZipSource(archive, size_bytes=os.fstat(file.fileno()).st_size)


class ZipSource:
    """A zip with the files at its root, or all of them in one folder."""

    def __init__(self, archive: zipfile.ZipFile, *, size_bytes: int) -> None:
        """List the files.

        Args:
            archive: The open zip.
            size_bytes: Length of the zip.

        Raises:
            BundleRefused: An entry is a link, encrypted, compressed in another way than deflate, or there twice; its
                path is not plain; or the files are far larger than the zip.
        """
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
        top = _top_folder([info.filename for info in infos])
        for info in infos:
            name = info.filename.removeprefix(top)
            if not _is_passed_over(name) and not _is_passed_over(info.filename):
                _check_member(check_path(name), info)
                if name in self._members:
                    raise BundleRefused(f"{name} is in the zip twice")
            self._members[name] = info
        if sum(info.file_size for info in infos) > _MAX_RATIO * size_bytes + _RATIO_FREE_BYTES:
            raise BundleRefused(f"the files are more than {_MAX_RATIO} times as large as the zip")

    def unlisted(self, listed: Collection[str]) -> Iterator[str]:
        """Yield the paths that are there and not in `listed`, sorted; see `Source`."""
        yield from sorted(name for name in self._members.keys() - set(listed) if not _is_passed_over(name))

    def read(self, name: str, max_bytes: int) -> bytes:
        """Read a file; see `Source`."""
        info = self._members.get(name)
        if info is None:
            raise BundleRefused(f"{name} is missing")
        _check_member(name, info)
        try:
            with self._archive.open(info) as file:
                return file.read(max_bytes + 1)
        except _ZIP_ERRORS as error:
            raise BundleRefused(f"{name} was altered: {error}") from error


def _is_passed_over(path: str) -> bool:
    """Whether a path is no part of a bundle, but something that systems or tools leave."""
    parts = path.split("/")
    left = parts[0] in _LEFT_AT_THE_TOP or _VOLUME_FOLDER.fullmatch(parts[0]) is not None
    return left or any(part in _LEFT_BY_SYSTEMS or part.startswith("._") for part in parts)


def _top_folder(names: Collection[str]) -> str:
    """The folder that all files of a zip are in, with its slash; empty if the manifest is at the root."""
    own = [name for name in names if not _is_passed_over(name)]
    top = own[0].partition("/")[0] + "/" if own else ""
    inside = top + MANIFEST in own and all(name.startswith(top) for name in own)
    return top if inside and MANIFEST not in own else ""


def _check_member(name: str, info: zipfile.ZipInfo) -> None:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise BundleRefused(f"{name} is a link; a zip of a bundle holds only regular files")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
        raise BundleRefused(f"{name} is encrypted, or compressed in another way than deflate")
