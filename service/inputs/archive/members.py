"""What an archive contains, as a tree of folders."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from service.inputs.archive.limits import ArchiveLimits
from service.inputs.text import first_few


@dataclass(frozen=True, kw_only=True)
class ArchiveEntry:
    """A file or folder in an archive, with the questions that `os.DirEntry` answers.

    Attributes:
        name: Without its folder.
        is_folder: Whether it is a folder.
    """

    name: str
    is_folder: bool

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.is_folder

    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return not self.is_folder

    def is_symlink(self) -> bool:
        """Never: links are left out."""
        return False


class Archive(ABC):
    """An open archive. Threads may share it.

    Attributes:
        path: Of the archive.
        limits: What is refused.
    """

    def __init__(self, path: Path, limits: ArchiveLimits) -> None:
        self.path = path
        self.limits = limits
        self._left_out: defaultdict[str, list[str]] = defaultdict(list)
        self._folders: dict[str, dict[str, bool]] = {"": {}}  # folder -> name in it -> whether that is a folder

    @property
    def remarks(self) -> tuple[str, ...]:
        """A sentence about each kind of entry that was left out."""
        return tuple(
            f"{self.path}: {len(names):,} entries were left out, because they {reason}: "
            f"{first_few([ascii(name) for name in names])}."
            for reason, names in self._left_out.items()
        )

    def entries(self, folder: str) -> list[ArchiveEntry]:
        """List a folder; '' is the whole archive.

        Raises:
            FileNotFoundError: There is no such folder.
        """
        if not self.is_folder(folder):
            raise FileNotFoundError(errno.ENOENT, "No such folder in the archive", f"{self.path}/{folder}")
        return [ArchiveEntry(name=name, is_folder=kind) for name, kind in self._folders[folder].items()]

    def is_folder(self, name: str) -> bool:
        """Whether there is a folder of this path."""
        return name in self._folders

    def is_file(self, name: str) -> bool:
        """Whether there is a file of this path."""
        folder, _, last = name.rpartition("/")
        return self._folders.get(folder, {}).get(last) is False

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            OSError: There is no such file, it is larger than the limit, or the archive is damaged.
        """

    def _add(self, name: str, *, is_folder: bool) -> str | None:
        """Note an entry; returns its path in the tree, or None if it was left out."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or name[1:3] in (":/", ":") or ".." in parts:
            self._leave_out("lead out of it", name)
            return None
        if not parts:
            return None
        depth = len(parts) - (not is_folder)
        for length in range(depth):
            if self._folders["/".join(parts[:length])].setdefault(parts[length], True) is False:
                self._leave_out("are in a folder that is a file, too", name)
                return None
            self._folders.setdefault("/".join(parts[: length + 1]), {})
        path = "/".join(parts)
        if not is_folder and self._folders["/".join(parts[:-1])].setdefault(parts[-1], False):
            self._leave_out("are a folder, too", name)
            return None
        return path

    def _leave_out(self, reason: str, name: str) -> None:
        self._left_out[reason].append(name)

    def _failed(self, name: str, reason: str, number: int = errno.EIO) -> OSError:
        return OSError(number, reason, f"{self.path}/{name}")
