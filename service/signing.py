"""Signs a bundle that is there, for the command `sign`."""

from __future__ import annotations

import os
from pathlib import Path

from service.bundle import SigningKey, read_files
from service.bundle.manifest import CHECKSUM, SIGNATURE
from service.bundle.writer import write_copy


def sign_bundle(bundle: Path, key: SigningKey, *, out: Path | None = None) -> str:
    """Sign a bundle.

    Args:
        bundle: A folder or a zip.
        key: Signs it.
        out: New folder or .zip for a signed copy; None: the signature is put into the bundle, a folder.

    Returns:
        The digest of the bundle, which does not change.

    Raises:
        BundleRefused: The bundle is damaged.
        FileExistsError: The bundle is signed already, or `out` exists.
        ValueError: The bundle is a zip, and there is no `out`.
        OSError: The signature cannot be written.
    """
    content, files = read_files(bundle)
    signature = key.sign(files[CHECKSUM])
    if out is not None:
        write_copy(out, {**files, SIGNATURE: signature})
    elif bundle.is_dir():
        _write_new(bundle / SIGNATURE, signature)
    else:
        raise ValueError(f"{bundle} is a zip, which is not changed: name a new one with --out")
    return content.digest


def _write_new(path: Path, data: bytes) -> None:
    """Write a new file; nothing of it is left if that fails."""
    try:
        file = open(path, "xb")  # noqa: SIM115  (closed below, where a failed write is handled)
    except FileExistsError as error:
        raise FileExistsError(f"{path} exists: the bundle is signed already; sign a copy with --out") from error
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
