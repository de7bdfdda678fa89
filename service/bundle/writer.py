"""Write a bundle completely or not at all: to a temporary path next to its target, synced, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from service.bundle.manifest import (
    CHECKSUM,
    MANIFEST,
    REQUIRED_FILES,
    SIGNATURE,
    FileEntry,
    Manifest,
    check_path,
    checksum_line,
)


def write_bundle(
    target: str | os.PathLike[str],
    files: Mapping[str, bytes],
    *,
    name: str,
    version: str,
    created: str,
    producer: Mapping[str, str],
    check: Callable[[Path], object] | None = None,
    sign: Callable[[bytes], bytes] | None = None,
) -> str:
    """Write a bundle as a folder, or as an uncompressed zip if `target` ends in .zip.

    If it fails, nothing is left behind but the folders above the target.

    Args:
        target: Path of the bundle; it must not exist.
        files: Path -> bytes of every file but the manifest's own two.
        name: Name of the model.
        version: Version of the model.
        created: ISO 8601 time.
        producer: Name -> version of the programs that write the bundle.
        check: Called with the path of the written bundle before it is renamed to `target`. If it raises, the bundle is
            removed.
        sign: Gives the signature of the bytes of manifest.sha256; None: the bundle is not signed.

    Returns:
        The digest of the bundle, "sha256:<hex>".

    Raises:
        FileExistsError: The target exists.
        ValueError: A required file is missing.
        BundleRefused: A path could lead out of the bundle.
        OSError: The disk is full or not writable.
    """
    path = Path(target)
    missing = [required for required in REQUIRED_FILES if required not in files]
    if missing:
        raise ValueError(f"a bundle needs {', '.join(missing)}")
    if not files.keys().isdisjoint((MANIFEST, CHECKSUM, SIGNATURE)):
        raise ValueError(f"{MANIFEST}, {CHECKSUM} and {SIGNATURE} are written by write_bundle")
    _require_free(path)
    listed = Manifest(
        name=name,
        version=version,
        created=created,
        producer=producer,
        files={check_path(entry): FileEntry.of(data) for entry, data in sorted(files.items())},
    )
    manifest = listed.encode()
    checksum = checksum_line(manifest)
    everything = {**files, MANIFEST: manifest, CHECKSUM: checksum}
    if sign is not None:
        everything[SIGNATURE] = sign(checksum)
    _write(path, everything, check)
    return f"sha256:{checksum.split()[0].decode()}"


def write_copy(target: Path, files: Mapping[str, bytes]) -> None:
    """Write all files of a bundle, the manifest's own among them, as a folder or a zip; see `write_bundle`."""
    _require_free(target)
    _write(target, files, None)


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write files as a new folder, completely or not at all.

    Args:
        target: Path of the folder; it must not exist.
        files: Path in it -> bytes.

    Raises:
        FileExistsError: The target exists.
        OSError: The disk is full or not writable.
    """
    _require_free(target)
    with _put_in_place(target) as temporary:
        _write_folder(temporary, files)


def _require_free(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(f"{path} already exists")


def _write(path: Path, files: Mapping[str, bytes], check: Callable[[Path], object] | None) -> None:
    with _put_in_place(path) as temporary:
        if path.suffix == ".zip":
            _write_zip(temporary, files)
        else:
            _write_folder(temporary, files)
        if check is not None:
            check(temporary)


@contextmanager
def _put_in_place(path: Path) -> Iterator[Path]:
    """A new path beside `path`, which is renamed to it at the end of the block, or removed if the block raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.partial"
    try:
        yield temporary
        temporary.rename(path)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for path in (folder, *(entry for entry in folder.rglob("*") if entry.is_dir())):
        _sync_folder(path)


def _write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    with open(path, "xb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, data in sorted(files.items()):
                # A fixed time, so that the same files give the same archive.
                info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                info.external_attr = 0o644 << 16
                archive.writestr(info, data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
