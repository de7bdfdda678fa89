"""Archives for tests, with entries that no honest program writes."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path


def make_zip(path: Path, files: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo("replaced")
            info.filename = name  # the constructor would replace backslashes
            info.compress_type = compression
            archive.writestr(info, content)
    return path


def make_tar(
    path: Path, files: Mapping[str, bytes], *, mode: str = "w", more: tuple[tarfile.TarInfo, ...] = ()
) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in more:
            archive.addfile(info)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """An entry that is no regular file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    """Files in the archive that the suffix of the path asks for."""
    if path.suffix == ".zip":
        return make_zip(path, files)
    return make_tar(path, files, mode="w" if path.suffix == ".tar" else "w:gz")
