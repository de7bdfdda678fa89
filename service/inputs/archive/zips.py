"""Zip."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path

from service.inputs.archive.limits import ArchiveLimits
from service.inputs.archive.members import Archive
from service.inputs.archive.pread import PreadFile
from service.inputs.errors import InputError

MAGICS = (b"PK\x03\x04", b"PK\x05\x06")  # with entries, and without
_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_LONGEST_END = (1 << 16) + 22 + 20 + 56  # comment, end, locator and end of a zip64
_UNIX = 3
_FROM = "zip it again without"


class ZipArchive(Archive):
    """A zip whose files are stored or deflated."""

    def __init__(self, path: Path, limits: ArchiveLimits) -> None:
        """Read the list of entries.

        Raises:
            InputError: It is damaged, encrypted, compressed in another way, or over a limit.
            OSError: It cannot be read.
        """
        super().__init__(path, limits)
        file = PreadFile(path)
        _require_small_directory(file, limits, path)
        try:
            self._zip = zipfile.ZipFile(file)
            infos = self._zip.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise InputError(f"{path}: this zip is damaged ({error}); get it again.") from error
        limits.require_entries(len(infos), path=path)
        limits.require_bytes(sum(info.file_size for info in infos), packed=file.size, path=path)
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            self._add_info(info)

    def read(self, name: str) -> bytes:
        """See `Archive.read`."""
        info = self._infos.get(name)
        if info is None:
            raise self._failed(name, "there is no such file in the archive")
        if info.file_size > self.limits.file_bytes:
            raise self._failed(name, f"it is larger than {self.limits.file_bytes:,} bytes")
        try:
            with self._zip.open(info) as file:
                return file.read(info.file_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error) as error:
            raise self._failed(name, f"the archive is damaged: {error}") from error

    def _add_info(self, info: zipfile.ZipInfo) -> None:
        name = info.filename.replace("\\", "/")  # as some programs under Windows write it
        kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
        is_folder = info.is_dir() or name.endswith("/")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            self._leave_out("are links or devices", info.filename)
            return
        if info.flag_bits & 0x1:
            raise InputError(f"{self.path}: {name!a} is encrypted; {_FROM} a password.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{self.path}: {name!a} is compressed in an unusual way; {_FROM} special compression.")
        path = self._add(name, is_folder=is_folder)
        if path is not None and not is_folder:
            self._infos[path] = info


def _require_small_directory(file: PreadFile, limits: ArchiveLimits, path: Path) -> None:
    """Refuse a list of entries that is too long, before `zipfile` reads all of it into memory."""
    start = max(0, file.size - _LONGEST_END)
    end = file.read_at(start, _LONGEST_END)
    place = end.rfind(_END)
    if place < 0 or len(end) < place + 22:
        raise InputError(f"{path}: this zip is cut off, or no zip; get it again.")
    size, count = (
        int.from_bytes(end[place + 12 : place + 16], "little"),
        int.from_bytes(end[place + 10 : place + 12], "little"),
    )
    place_64 = end.rfind(_END_64, 0, place)
    if place_64 >= 0:
        count = int.from_bytes(end[place_64 + 32 : place_64 + 40], "little")
        size = int.from_bytes(end[place_64 + 40 : place_64 + 48], "little")
    limits.require_entries(max(count, size // limits.header_bytes), path=path)
