"""Move one file into another folder of the same file system: no link is followed, and nothing is replaced."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from trainer.posix import flags

_FOLDER = flags("O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC")
_FILE = flags("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")


class Refused(Exception):
    """A file that stays where it is. The message says why."""


def move_file(source: tuple[int, str], target: tuple[int, str], *, sha256: str) -> None:
    """Give a file its new name, then take away the old one: at every moment it has one of them, or both.

    A hard link is made with the new name. That fails if the name exists, and on another file system. Then the old name
    is removed. If the process was killed between these two steps, calling this again removes the old name.

    Args:
        source: File descriptor of a folder, and a POSIX path in it.
        target: The same; missing folders are made.
        sha256: Of the bytes that are expected, hexadecimal; empty: any.

    Raises:
        Refused: The file is not there, has changed, or is reached through a link, or the target exists.
    """
    with _explaining(), _parent(*source) as (folder, name):
        status = _check(folder, name, sha256)
        with _parent(*target, create=True) as (new_folder, new_name):
            with suppress(FileExistsError):
                os.link(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder, follow_symlinks=False)
            if not os.path.samestat(os.stat(new_name, dir_fd=new_folder, follow_symlinks=False), status):
                raise Refused("another file has its new name already")
            os.fsync(new_folder)
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)


def exists(root: int, path: str) -> bool:
    """Whether there is a file with this path, whatever it is; a link on the way counts as none."""
    with suppress(OSError, Refused), _parent(root, path) as (folder, name):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        return True
    return False


def device_of(root: int, path: str) -> int:
    """The file system of a regular file. Raises Refused if it is something else, or reached through a link."""
    with _explaining(), _parent(root, path) as (folder, name):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("it is a link, or no regular file")
        return status.st_dev


def remove_empty_folders(root: int, path: str) -> None:
    """Remove the folders of a path, from the innermost one, as long as they are empty."""
    for parent in PurePosixPath(path).parents:
        if not parent.parts:
            return
        try:
            with _parent(root, str(parent)) as (folder, name):
                os.rmdir(name, dir_fd=folder)
        except (OSError, Refused):
            return


@contextmanager
def _parent(root: int, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
    """Open the folder of a path, step by step from `root`; yield it and the last name."""
    *folders, name = PurePosixPath(path).parts
    if path.startswith("/") or ".." in (*folders, name):
        raise Refused("it is outside of the data")
    current = os.open(".", _FOLDER, dir_fd=root)
    try:
        for folder in folders:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(folder, dir_fd=current)
            inner = os.open(folder, _FOLDER, dir_fd=current)
            os.close(current)
            current = inner
        yield current, name
    finally:
        os.close(current)


def _check(folder: int, name: str, sha256: str) -> os.stat_result:
    """Check that a name is a regular file with the expected bytes, and return its status."""
    try:
        descriptor = os.open(name, _FILE, dir_fd=folder)
    except PermissionError:
        if sha256:
            raise
        return os.stat(name, dir_fd=folder, follow_symlinks=False)  # unreadable as it was; it can still be renamed
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Refused("it is no regular file")
        if sha256 and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise Refused("it has changed since it was checked")
        return status


@contextmanager
def _explaining() -> Iterator[None]:
    """Turn errors of the system into reasons."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOENT: "it is not there any more",
            errno.ELOOP: "it is reached through a link",
            errno.ENOTDIR: "it is reached through a link",  # so says Linux of a link that is opened as a folder
            errno.EXDEV: "it is on another file system",
        }
        raise Refused(reasons.get(error.errno or 0, error.strerror or str(error))) from error
