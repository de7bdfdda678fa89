"""The results of a benchmark in a file of JSON lines; what is in the file is not measured again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Values = dict[str, Any]


class Results:
    """Parts of a benchmark, each with its key: everything that decides what is measured.

    A line is {"key": ..., "values": ...}. Parts may be measured by several calls, or on several machines and their
    lines joined. Raises ValueError if a line is something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[tuple[Values, Values]] = []
        if path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                try:
                    record = json.loads(line)
                    self._lines.append((record["key"], record["values"]))
                except (ValueError, KeyError, TypeError) as error:
                    raise ValueError(f"{path}, line {number}: this is no result; remove the line") from error

    def find(self, key: Mapping[str, Any]) -> Values | None:
        """Return the last values for this key, or None."""
        wanted = _plain(key)
        return next((values for known, values in reversed(self._lines) if known == wanted), None)

    def matching(self, key: Mapping[str, Any]) -> list[tuple[Values, Values]]:
        """Return (key, values) of every part whose key contains all of these, in the order of measurement."""
        wanted = _plain(key).items()
        return [(known, values) for known, values in self._lines if wanted <= known.items()]

    def once(self, key: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> Values:
        """Return the values for this key; if there are none, measure them now and write them to the file."""
        found = self.find(key)
        if found is not None:
            return found
        plain, values = _plain(key), _plain(measure())
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"key": plain, "values": values}, ensure_ascii=False) + "\n")
        self._lines.append((plain, values))
        return values


def markdown(header: Mapping[str, str], rows: Sequence[Mapping[str, object]]) -> str:
    """Format a table: the header's keys are the columns, its values their titles; a row may leave columns empty."""
    lines = [list(header.values()), ["---"] * len(header)]
    lines += [[str(row.get(column, "")) for column in header] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def percent(fraction: float) -> str:
    """0.868 -> `86.8 %`."""
    return f"{100 * fraction:.1f} %"


def _plain(values: Mapping[str, Any]) -> Values:
    """As JSON gives it back: no tuples."""
    plain: Values = json.loads(json.dumps(values))
    return plain
