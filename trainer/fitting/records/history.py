"""history.jsonl: one JSON object a line, written as it happens."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.fitting.records.tensorboard import TensorBoard


class History:
    """Appends records to a file; what was said before a kill can be read after it.

    path   None: nothing is written
    board  is told the same
    """

    def __init__(self, path: Path | None, *, board: TensorBoard | None = None) -> None:
        self._path = path
        self._board = board

    @property
    def length_bytes(self) -> int:
        """How much has been written."""
        return self._path.stat().st_size if self._path is not None and self._path.exists() else 0

    def cut(self, length_bytes: int) -> None:
        """Forget what was written after the file had this length; with a board, comes before the first record.

        After a power cut there may be less of it: what is no whole record any more is forgotten too.
        """
        if self._path is not None and self._path.exists():
            os.truncate(self._path, _whole_bytes(self._path, most=length_bytes))
        if self._board is not None:
            self._board.take_up(self._count("step") if length_bytes else None)

    def write(self, event: str, **values: Any) -> None:
        """Append one record: `event` and its numbers; NaN and infinities are written as null."""
        self.write_all(event, [values])

    def write_all(self, event: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Append several records of one event."""
        if self._path is None:
            return
        lines = [json.dumps(_strict({"event": event, **values}), allow_nan=False) + "\n" for values in records]
        with open(self._path, "a", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())  # a saved state counts on what was written before it
        if self._board is not None:
            self._board.mirror(event, records)

    def _count(self, event: str) -> int:
        if self._path is None or not self._path.exists():
            return 0
        with open(self._path, encoding="utf-8") as file:
            return sum(json.loads(line)["event"] == event for line in file)


def _whole_bytes(path: Path, *, most: int) -> int:
    """How many of the first `most` bytes of a file are whole records."""
    whole = 0
    with open(path, "rb") as file:
        for line in file:
            if whole + len(line) > most or not line.endswith(b"\n"):
                break
            try:
                json.loads(line)
            except ValueError:
                break
            whole += len(line)
    return whole


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
