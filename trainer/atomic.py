"""Files that are written completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, TextIO


@contextmanager
def atomic_write_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 file to write, with line ends as they are written; it is put in place at the end of the block.

    A file that was at `path` is replaced then. If the block raises or the disk is full, that file stays, and nothing
    else is left. One process at a time may write to a path.
    """
    with _partial(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        yield file
        _sync(file)


@contextmanager
def atomic_open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write bytes into it, as `atomic_write_text` opens one for text."""
    with _partial(path) as partial, open(partial, "wb") as file:
        yield file
        _sync(file)


def atomic_write_bytes(path: Path, content: bytes) -> None:
    """Write bytes as `atomic_write_text` writes text."""
    with atomic_open_bytes(path) as file:
        file.write(content)


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """A file name beside `path` that is renamed to it at the end of the block, or removed; errors name `path`."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # a full disk names no file
    finally:
        partial.unlink(missing_ok=True)


def _sync(file: IO[str] | IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
