"""Tar, and tar compressed with gzip."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Protocol

from service.inputs.archive.gzip import GzipFile
from service.inputs.archive.limits import ArchiveLimits
from service.inputs.archive.members import Archive
from service.inputs.archive.pread import PreadFile
from service.inputs.errors import InputError


class _Source(Protocol):
    """The bytes of a tar."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Read `size` bytes at an offset, fewer at the end."""


class TarArchive(Archive):
    """A tar, plain or compressed with gzip. One pass over it finds where each file is."""

    def __init__(self, path: Path, limits: ArchiveLimits, *, is_gzip: bool) -> None:
        """Find the entries.

        Raises:
            InputError: It is damaged, no tar, or over a limit.
            OSError: It cannot be read.
        """
        super().__init__(path, limits)
        self._source: _Source = GzipFile(path, limits) if is_gzip else PreadFile(path)
        self._places: dict[str, tuple[int, int]] = {}
        try:
            with tarfile.open(fileobj=_Headers(self._source, limits, path), mode="r:") as tar:
                count, total = 0, 0
                while (entry := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined]  # it would grow with the archive
                    count, total = count + 1, total + entry.size
                    limits.require_entries(count, path=path)
                    limits.require_bytes(total, packed=total, path=path)
                    self._add_entry(entry)
            if isinstance(self._source, GzipFile):
                self._source.finish()
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            raise InputError(f"{path}: this is no tar, or a damaged one ({error}); get it again.") from error

    def read(self, name: str) -> bytes:
        """See `Archive.read`."""
        place = self._places.get(name)
        if place is None:
            raise self._failed(name, "there is no such file in the archive")
        offset, size = place
        if size > self.limits.file_bytes:
            raise self._failed(name, f"it is larger than {self.limits.file_bytes:,} bytes")
        try:
            data = self._source.read_at(offset, size)
        except InputError as error:
            raise self._failed(name, str(error)) from error
        if len(data) < size:
            raise self._failed(name, "the archive is cut off")
        return data

    def _add_entry(self, entry: tarfile.TarInfo) -> None:
        if not (entry.isdir() or (entry.isreg() and not entry.issparse())):
            self._leave_out("are links or devices", entry.name)
            return
        path = self._add(entry.name, is_folder=entry.isdir())
        if path is not None and entry.isreg():
            self._places[path] = (entry.offset_data, entry.size)


class _Headers(io.RawIOBase):
    """What `tarfile` reads the headers from. A header that claims to be huge is refused before it is read."""

    def __init__(self, source: _Source, limits: ArchiveLimits, path: Path) -> None:
        self._source = source
        self._limits = limits
        self._path = path
        self._position = 0
        self._start = 0
        self._buffer = b""

    def read(self, size: int = -1) -> bytes:
        """Read at the position, and move it."""
        if not 0 <= size <= self._limits.header_bytes:
            raise InputError(f"{self._path}: an entry has a header of {size:,} bytes; get another archive.")
        inside = self._position - self._start
        if not 0 <= inside <= len(self._buffer) - size:
            self._fetch(size)
            inside = self._position - self._start
        data = self._buffer[inside : inside + size]
        self._position += len(data)
        return data

    def _fetch(self, size: int) -> None:
        """Read on from what is there, if that is near: going back costs time in a gzip.

        A byte before the position is kept, because `tarfile` goes one back to see whether the archive ends there.
        """
        start = max(0, self._position - 1)
        kept = self._buffer[start - self._start :] if self._start <= start <= self._start + len(self._buffer) else b""
        end = start + len(kept)
        self._buffer = kept + self._source.read_at(end, self._position + size - end)
        self._start = start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position."""
        if whence != os.SEEK_SET:
            raise OSError("not supported")
        self._position = offset
        return offset

    def tell(self) -> int:
        """Return the position."""
        return self._position
