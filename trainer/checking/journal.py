"""The journal of a quarantine: what is going to be moved, on the disk before it is moved.

DIR/journal.jsonl holds JSON objects, one a line:

    {"version": 1, "root": "/photos"}                                   the first line
    {"plan": [{"kind": ..., "path": ..., "target": ..., "sha256": ...}]}  all moves of one command
    {"move": 0}                                                         before the move of that number, over all plans
    {"done": 3}                                                         after the first 3
    {"undo": 3}                                                         before all of the first 3 go back

A line without its end was written when the process was killed, and is cut off: nothing that it names was done. Where a
file is now is asked of the file system, not of the journal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.errors import QuarantineError
from trainer.posix import flags, lock

NAME = "journal.jsonl"
_VERSION = 1
_NEW_FILE = flags("O_RDWR", "O_CREAT", "O_APPEND", "O_NOFOLLOW", "O_CLOEXEC")


@dataclass(frozen=True, kw_only=True)
class Move:
    """One file that is moved.

    Attributes:
        kind: Why.
        path: Where it was, relative to the root of the data.
        target: Where it goes, relative to the folder of the quarantine.
        sha256: Of its bytes, hexadecimal; empty if they could not be read.
    """

    kind: str
    path: str
    target: str
    sha256: str


class Journal:
    """An open, locked journal.

    Attributes:
        root: Folder of the data, absolute.
        moves: All moves that were planned, of all commands.
        undone: How many of them, from the first, are to be moved back or were.
        started: How many of them, from the first, were decided; the next one may be half done.
    """

    def __init__(self, folder: int, where: Path, *, root: Path | None) -> None:
        """Open or create the journal in a folder, given as a file descriptor.

        Args:
            folder: The folder.
            where: Its name, for messages.
            root: Folder of the data; None: that of the journal, which must exist then.

        Raises:
            QuarantineError: It belongs to other data, another process uses it, or it cannot be read.
        """
        self._file = os.fdopen(os.open(NAME, _NEW_FILE, 0o644, dir_fd=folder), "r+b")
        try:
            lock(self._file, wait=False)
            self.root, self.moves, self.undone, self.started = self._read(where, root)
        except BlockingIOError as error:
            self._file.close()
            raise QuarantineError(f"{where}: another process uses this quarantine; wait until it ends") from error
        except BaseException:
            self._file.close()
            raise
        os.fsync(folder)

    def plan(self, moves: Sequence[Move]) -> None:
        """Write the moves of one command, before the first of them."""
        self._append({"plan": [asdict(move) for move in moves]})
        self.moves = (*self.moves, *moves)

    def start_move(self, number: int) -> None:
        """Write that a move is about to happen."""
        self._append({"move": number})

    def finish(self) -> None:
        """Write that all moves were done, or refused."""
        self._append({"done": len(self.moves)})
        self.started = len(self.moves)

    def start_undo(self) -> None:
        """Write that everything goes back."""
        self._append({"undo": len(self.moves)})
        self.undone = len(self.moves)

    def close(self) -> None:
        """Release the lock."""
        self._file.close()

    def _append(self, value: dict[str, Any]) -> None:
        self._file.write(json.dumps(value, ensure_ascii=True).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, where: Path, root: Path | None) -> tuple[Path, tuple[Move, ...], int, int]:
        lines = self._file.read().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            self._file.truncate(sum(map(len, lines[:-1])))
            lines.pop()
        if not lines:
            if root is None:
                raise QuarantineError(f"{where}: nothing was moved here")
            self._append({"version": _VERSION, "root": str(root)})
            return root, (), 0, 0
        try:
            first, *rest = [json.loads(line) for line in lines]
            moves = tuple(Move(**entry) for value in rest for entry in value.get("plan", ()))
            undone = max((int(value["undo"]) for value in rest if "undo" in value), default=0)
            started = max((int(value.get("done", value.get("move", 0))) for value in rest), default=0)
            version, planned_root = first["version"], first["root"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise QuarantineError(f"{where}: this is not the journal of a quarantine; give another folder") from error
        if version != _VERSION:
            raise QuarantineError(f"{where}: the journal has the format {version}; this version reads {_VERSION}")
        if root is not None and planned_root != str(root):
            raise QuarantineError(f"{where}: this is the quarantine of {planned_root}, not of {root}")
        return Path(planned_root), moves, undone, started
