"""Move what a check found into another folder, and back. The only part of fieldguide that moves files of the user."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from trainer.checking.findings import CheckResult
from trainer.checking.journal import NAME, Journal, Move
from trainer.checking.kinds import KINDS
from trainer.checking.moving import Refused, device_of, exists, move_file, remove_empty_folders
from trainer.errors import QuarantineError
from trainer.posix import flags

# More than this fraction of the images is not moved.
MAX_FRACTION = 0.1
_FOLDER = flags("O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC")


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What was moved.

    Attributes:
        paths: Of the images that were moved, or moved back, relative to the root of the data.
        left: Path -> why it stayed where it is.
    """

    paths: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


class Quarantine:
    """A folder that images are moved into. Use `open_quarantine`."""

    def __init__(self, journal: Journal, root: int, folder: int) -> None:
        self._journal, self._root, self._folder = journal, root, folder

    @property
    def root(self) -> Path:
        """Folder of the data, absolute."""
        return self._journal.root

    def continue_moves(self) -> Moved:
        """Finish what an earlier command planned, if it was killed.

        Raises:
            QuarantineError: That was an undo.
        """
        if any(exists(self._folder, move.target) for move in self._journal.moves[: self._journal.undone]):
            raise QuarantineError("not everything was moved back from this quarantine; finish with `undo` first")
        return self._move_from(max(self._journal.undone, self._journal.started))

    def move(self, wanted: Sequence[tuple[str, str, str]], *, images: int, max_fraction: float) -> Moved:
        """Move files.

        Args:
            wanted: Kind, path and SHA-256 of each.
            images: Number of all images.
            max_fraction: Largest fraction of them that may be moved, 0 to 1.

        Raises:
            QuarantineError: Too many, or one is on another file system. Nothing was moved.
        """
        if len(wanted) > max_fraction * images:
            raise QuarantineError(
                f"{len(wanted):,} of {images:,} images would be moved, more than {max_fraction:.0%}; look at what was "
                "found, choose fewer `kinds`, or raise `max_fraction`"
            )
        moved, plan = Moved(), list[Move]()
        device = os.fstat(self._folder).st_dev
        for kind, path, sha256 in wanted:
            try:
                if device_of(self._root, path) != device:
                    raise QuarantineError(
                        f"{path} is on another file system than the quarantine; give a `quarantine` beside the data"
                    )
                plan.append(Move(kind=kind, path=path, target=self._free_target(kind, path), sha256=sha256))
            except Refused as refused:
                moved.left[path] = str(refused)
        if plan:
            first = len(self._journal.moves)
            self._journal.plan(plan)
            done = self._move_from(first)
            return Moved(paths=done.paths, left=moved.left | done.left)
        return moved

    def undo(self) -> Moved:
        """Move everything back, the last one first. What is in the way stays, and so does the image then."""
        self._journal.start_undo()
        moved = Moved()
        for move in reversed(self._journal.moves):
            if not exists(self._folder, move.target):
                continue
            try:
                move_file((self._folder, move.target), (self._root, move.path), sha256=move.sha256)
                moved.paths.append(move.path)
            except Refused as refused:
                moved.left[move.path] = str(refused)
            remove_empty_folders(self._folder, move.target)
        return moved

    def _move_from(self, first: int) -> Moved:
        moved = Moved()
        for number in range(first, len(self._journal.moves)):
            move = self._journal.moves[number]
            if not exists(self._root, move.path):  # moved before the process was killed
                continue
            self._journal.start_move(number)
            try:
                move_file((self._root, move.path), (self._folder, move.target), sha256=move.sha256)
                moved.paths.append(move.path)
            except Refused as refused:
                moved.left[move.path] = str(refused)
        if first < len(self._journal.moves):
            self._journal.finish()
        return moved

    def _free_target(self, kind: str, path: str) -> str:
        """KIND/PATH, or with a number before the suffix if an earlier command put another file there."""
        plain = PurePosixPath(kind, path)
        taken = {move.target for move in self._journal.moves[self._journal.undone :]}
        target, number = plain, 2
        while str(target) in taken or exists(self._folder, str(target)):
            target = plain.with_name(f"{plain.stem}~{number}{plain.suffix}")
            number += 1
        return str(target)


@contextmanager
def open_quarantine(folder: Path, root: Path | None) -> Iterator[Quarantine]:
    """Open or make the folder of a quarantine, and lock it.

    Args:
        folder: New, empty, or used by an earlier command for the same data; not in the data.
        root: Folder of the data; None: that of the earlier command, of which there must be one.

    Raises:
        QuarantineError: The folder cannot be used.
    """
    folder = folder.absolute()
    with ExitStack() as stack:
        try:
            if root is not None:
                root = root.resolve()
                if not root.is_dir():
                    raise QuarantineError(f"{root}: only images in a folder can be moved; unpack the archive first")
                if folder.resolve().is_relative_to(root):
                    raise QuarantineError(f"{folder}: this is in the data; give a folder elsewhere as `quarantine`")
                folder.mkdir(parents=True, exist_ok=True)
            own = _open_folder(folder, stack)
            names = {path.name for path in folder.iterdir()}
            if names and NAME not in names:
                raise QuarantineError(f"{folder}: it is not empty, and no quarantine; give a new `quarantine`")
            journal = Journal(own, folder, root=root)
            stack.callback(journal.close)
            data = _open_folder(journal.root, stack)
        except OSError as error:
            raise QuarantineError(f"{error.filename or folder}: cannot be used ({error.strerror})") from error
        yield Quarantine(journal, data, own)


def has_journal(folder: Path) -> bool:
    """Whether an earlier command moved images to a folder."""
    return (folder / NAME).exists()


def _open_folder(folder: Path, stack: ExitStack) -> int:
    descriptor = os.open(folder, _FOLDER)
    stack.callback(os.close, descriptor)
    return descriptor


def movable_images(result: CheckResult, kinds: Sequence[str]) -> list[tuple[str, str, str]]:
    """Kind, path and SHA-256 of what these kinds found; every path once, in the order of the kinds.

    The image of a group that should be kept stays, unless it is found for itself: all of its group are blurred then.

    """
    found = [(kind, image) for kind in kinds for image in result.of(kind)]
    kept = {image.path for _, image in found if image.keep}
    chosen = {
        image.path: (kind, image.path, image.sha256)
        for kind, image in reversed(found)
        if not image.keep and (image.group is None or image.path not in kept)
    }
    return sorted(chosen.values(), key=lambda move: (kinds.index(move[0]), move[1]))


def require_movable(kinds: Sequence[str]) -> None:
    """Raise QuarantineError if one of these kinds is not about images."""
    fixed = [kind for kind in kinds if not KINDS[kind].movable]
    if fixed:
        raise QuarantineError(f"{fixed[0]} is about whole classes, so no image can be moved; choose other `kinds`")
