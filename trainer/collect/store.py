"""Which image is kept where: each content once, under the label that comes first in the list.

No file is replaced, and none is deleted but the unfinished ones of this program. An image that was removed, moved or
changed by hand stays as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from trainer.collect.images import ImageFacts
from trainer.collect.journal import Fate, Journal
from trainer.collect.urls import Source
from trainer.errors import CollectError

_UNFINISHED = ".unfinished"
_UNFINISHED_NAME = re.compile(r"[0-9]+")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What changed when an image came.

    Attributes:
        change: Label -> how many more images it has, which may be less than 0.
    """

    change: Mapping[str, int] = field(default_factory=dict)


class ImageStore:
    """The images of a folder."""

    def __init__(self, folder: Path, journal: Journal, sources: Iterable[Source]) -> None:
        """Take the folder, its journal, and the list that decides which label comes first."""
        self._folder, self._journal = folder, journal
        self._unfinished = folder / _UNFINISHED
        numbers = {source.url: source.number for source in sources}
        # Hash -> the URL that its image is kept for, and the position of that; -1: of an earlier list.
        self._owners = {
            fate.sha256: (fate.url, numbers.get(fate.url, -1))
            for fate in journal.fates.values()
            if fate.status == "kept"
        }

    def prepare(self) -> None:
        """Make the folder of unfinished files, and remove those of a process that was killed.

        Raises:
            CollectError: It cannot be used.
        """
        try:
            self._unfinished.mkdir(exist_ok=True)
            if self._unfinished.is_symlink():
                raise CollectError(f"{self._unfinished}: this is a link; remove it")
            self._remove_unfinished()
        except OSError as error:
            raise CollectError(f"{self._unfinished}: cannot be used ({error.strerror})") from error

    def close(self) -> None:
        """Remove the folder of unfinished files."""
        with suppress(OSError):  # the next command will
            self._remove_unfinished()
            self._unfinished.rmdir()

    def _remove_unfinished(self) -> None:
        for path in self._unfinished.iterdir():
            if _UNFINISHED_NAME.fullmatch(path.name):
                path.unlink()

    def write(self, source: Source, content: bytes) -> Path:
        """Write a file that has no name yet. Another thread may do this.

        It is not forced to the disk: a file that a power cut emptied is downloaded again.
        """
        path = self._unfinished / str(source.number)
        path.write_bytes(content)
        return path

    def keep(self, fate: Fate, source: Source, facts: ImageFacts, unfinished: Path) -> Kept:
        """Give an image its name, or remove it if its content is there already.

        Args:
            fate: What is known of the URL so far.
            source: The URL.
            facts: What is known of the image.
            unfinished: Its file.

        Returns:
            What changed. The journal has it, too.
        """
        fate = replace(fate, **vars(facts))
        path = self._path(source.label, facts.name)
        owner = self._owners.get(facts.sha256)
        if owner is None or owner[0] == source.url:
            self._place(unfinished, path)
            return self._own(replace(fate, path=path), source)
        unfinished.unlink()
        first = self._journal.fates[owner[0]]
        if source.number > owner[1]:
            self._journal.add(replace(fate, status="duplicate", path=first.path))
            return Kept()
        was_there = self.is_there(first)  # the other URL comes later in the list, but its server was faster
        if was_there and path != first.path:
            self._place(self._folder / first.path, path)
            self._journal.move(first, path)
        self._journal.add(replace(self._journal.fates[first.url], status="duplicate"))
        kept = self._own(replace(fate, path=path), source)
        lost = Counter({first.label: -1 if was_there else 0})
        lost.update(kept.change)
        return Kept(change=dict(lost))

    def labels_of_images(self) -> Iterator[str]:
        """The label of each image that is in the folder."""
        for fate in self._journal.fates.values():
            if fate.status == "kept" and self.is_there(fate):
                yield fate.label

    def _own(self, fate: Fate, source: Source) -> Kept:
        self._owners[fate.sha256] = (source.url, source.number)
        self._journal.add(replace(fate, status="kept"))
        return Kept(change={source.label: 1})

    def is_there(self, fate: Fate) -> bool:
        """Whether the image of a URL is in the folder."""
        return (self._folder / fate.path).is_file()

    def is_lost(self, fate: Fate) -> bool:
        """Whether a power cut took the content of an image."""
        return self.is_there(fate) and (self._folder / fate.path).stat().st_size == 0 and fate.bytes > 0

    def _place(self, file: Path, path: str) -> None:
        """Give a file a name, unless a file has it: that of a process that was killed, or one that was changed."""
        target = self._folder / path
        if target.exists() and target.stat().st_size > 0:
            file.unlink()
            return
        try:
            file.replace(target)
        except FileNotFoundError:  # the first image of its label
            target.parent.mkdir(exist_ok=True)
            file.replace(target)

    @staticmethod
    def _path(label: str, name: str) -> str:
        return f"{label}/{name}" if label else name
