"""The files of a target: those of its folder in `deploy/`, and what its image is built from, the bundle among it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import service
from fieldguide.deployment.targets import Target
from fieldguide.deployment.values import Values

_LOCK = "deploy/locks/service.txt"
# The image ends with this line of the Dockerfile if the bundle is a part of it.
_LAST_LINE = "COPY ${BUNDLE} /bundle\n"


def write_files(out: Path, target: Target, values: Values, bundle: Mapping[str, bytes]) -> None:
    """Write everything into a new folder, completely or not at all.

    Args:
        out: The folder.
        target: The place.
        values: What is filled in.
        bundle: Path -> bytes of every file of the bundle.

    Raises:
        FileExistsError: There is something at `out`.
        OSError: The disk is full or not writable.
    """
    if os.path.lexists(out):
        raise FileExistsError(f"{out} exists already, and nothing is overwritten; give another name for --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.parent / f".{out.name}.{secrets.token_hex(4)}.partial"
    try:
        partial.mkdir()
        _write_build_context(partial, bundle)
        _write_target(partial, target, values)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_build_context(folder: Path, bundle: Mapping[str, bytes]) -> None:
    root = _root()
    dockerfile = (root / "Dockerfile").read_text("utf-8")
    (folder / "Dockerfile").write_text(dockerfile[: dockerfile.index(_LAST_LINE)] + _LAST_LINE, "utf-8")
    shutil.copy(root / ".dockerignore", folder)
    (folder / _LOCK).parent.mkdir(parents=True)
    shutil.copy(root / _LOCK, folder / _LOCK)
    shutil.copytree(Path(service.__file__).parent, folder / "service", ignore=shutil.ignore_patterns("__pycache__"))
    for name, data in bundle.items():
        path = folder / "bundle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _write_target(folder: Path, target: Target, values: Values) -> None:
    source = _root() / "deploy" / target.name
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        copy = folder / values.fill_in(path.relative_to(source).as_posix())
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(values.fill_in(path.read_text("utf-8")), "utf-8")
        copy.chmod(path.stat().st_mode & 0o777)


def _root() -> Path:
    """The folder with `Dockerfile` and `deploy`: of the installed package, else of the clone."""
    installed = Path(__file__).parent / "files"
    return installed if installed.is_dir() else Path(__file__).parents[2]
