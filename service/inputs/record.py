"""A row of a table, and which of its columns are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.inputs.errors import InputError
from service.inputs.text import first_few

Cell = str | tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row of a table.

    Attributes:
        number: CSV: row number as a spreadsheet shows it, the header is row 1 (or later, after blank rows). JSON lines:
            number of the line. Parquet: number of the row, from 1.
        cells: The columns that were asked for, under the names that were asked for -> text. In JSON lines and Parquet a
            cell may be a list of texts. A cell that is missing is empty.
    """

    number: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The columns that are read from a table.

    Attributes:
        table: For messages.
        required: Columns that must exist: name of the parameter that sets the column -> name of the column.
        optional: Further columns that are read if they exist. Like a required column, none may exist twice.
        synonyms: A required column -> other names for it, in the form of `column_key`. One of them is read in its place
            if no other column of the table might be meant.
        on_columns: Is called with the columns that are read: name that was asked for -> name in the table.
    """

    table: Path
    required: Mapping[str, str]
    optional: Sequence[str] = ()
    synonyms: Mapping[str, Collection[str]] = field(default_factory=dict)
    on_columns: Callable[[Mapping[str, str]], None] = lambda _: None

    def recognised(self, names: Sequence[str]) -> int:
        """Return how many of the names may be a column that is read."""
        keys = {column_key(name) for name in (*self.required.values(), *self.optional)}.union(*self.synonyms.values())
        return len({column_key(name) for name in names} & keys)

    def choose(self, names: Sequence[str]) -> dict[str, str]:
        """Choose the columns to read among those of the table.

        Args:
            names: The columns of the table.

        Returns:
            Column that was asked for -> name of the column in the table.

        Raises:
            InputError: A required column is missing or ambiguous, or a column that is read exists twice.
        """
        chosen = {}
        for parameter, name in self.required.items():
            chosen[name] = self._required(parameter, name, names)
        for name in self.optional:
            found = self._same(name, names)
            if found is not None:
                chosen[name] = found
        for name in chosen.values():
            if names.count(name) > 1:
                raise InputError(f"{self.table}: the column {name!r} exists twice in the header; rename one.")
        self.on_columns(chosen)
        return chosen

    def _required(self, parameter: str, name: str, names: Sequence[str]) -> str:
        same = self._same(name, names)
        if same is not None:
            return same
        others = self.synonyms.get(name, ())
        asked = {*self.required.values()}
        meant = [found for found in dict.fromkeys(names) if column_key(found) in others and found not in asked]
        if len(meant) > 1:
            raise InputError(
                f"{self.table}: there is no column {name!r}, and each of {_listed(meant)} may be meant; name it with "
                f"`{parameter}`."
            )
        if not meant:
            found = _listed(names) if any(names) else "none"
            raise InputError(f"{self.table}: there is no column {name!r} (found: {found}); name it with `{parameter}`.")
        return meant[0]

    def _same(self, name: str, names: Sequence[str]) -> str | None:
        """The column of this name, in whatever case and with whatever between its words, if only one is meant."""
        if name in names:
            return name
        same = list(dict.fromkeys(found for found in names if column_key(found) == column_key(name)))
        return same[0] if len(same) == 1 else None


def assumed_columns(table: Path, required: Mapping[str, str], columns: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence about each column that was read in place of the one that was asked for.

    Args:
        table: For the message.
        required: Name of the parameter that sets the column -> name that was asked for.
        columns: Name that was asked for -> name in the table.
    """
    for parameter, name in required.items():
        if column_key(columns[name]) != column_key(name):
            yield (
                f"{table}: there is no column {name!r}; {columns[name]!a} was read in its place (`{parameter}` names "
                "another)."
            )


def column_key(name: str) -> str:
    """The same for `File Name`, `file-name` and `file_name`."""
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def _listed(names: Sequence[str]) -> str:
    return first_few([ascii(name) for name in names], most=20)
