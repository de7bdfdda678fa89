"""history.jsonl: one JSON object a line, written as it happens."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class History:
    """Appends records to a file; each line is flushed, so that what was said before a kill can be read after it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, event: str, **values: Any) -> None:
        """Append one record: `event` (`step`, `epoch`, `stage`, ...) and its numbers."""
        line = json.dumps({"event": event, **values}, allow_nan=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        with open(descriptor, "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def read(self) -> Iterator[dict[str, Any]]:
        """The records so far, in order."""
        if self._path.exists():
            with open(self._path, encoding="utf-8") as file:
                yield from map(json.loads, file)
