"""history.jsonl: one JSON object a line, written as it happens."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any


class History:
    """Appends records to a file; what was said before a kill can be read after it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, event: str, **values: Any) -> None:
        """Append one record: `event` (`epoch` or `stage`) and its numbers; NaN and infinities are written as null."""
        line = json.dumps(_strict({"event": event, **values}), allow_nan=False)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
