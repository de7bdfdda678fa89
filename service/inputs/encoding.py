"""The text of a table in the encodings that spreadsheets write."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from service.inputs.errors import InputError
from service.inputs.files import open_file
from service.inputs.text import has_escaped_bytes

MAX_LINE = 1 << 20  # characters; what is longer is no table
_MAX_SHOWN = 100
_MARKS = (  # the marks of UTF-32 first: one of them starts with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def open_text(table: Path) -> TextIO:
    """Open a table as text, without translating ends of lines.

    UTF-16 and UTF-32 are recognised by their byte order mark, UTF-16 also by its zero bytes. Everything else is read as
    UTF-8, with or without mark; bytes that are not UTF-8 become lone surrogates (PEP 383).

    Raises:
        OSError: The file cannot be read.
    """
    file = open_file(table)
    encoding = _encoding(file.read(4))
    file.seek(0)
    errors = "surrogateescape" if encoding == "utf-8-sig" else "strict"
    return io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")


def bounded_lines(file: TextIO, table: Path) -> Iterator[str]:
    """Yield the lines of a table with their ends.

    Raises:
        InputError: A line is longer than `MAX_LINE` characters, or the text is not in the encoding of its mark.
    """
    number = 0
    try:
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise InputError(f"{table}, line {number}: the line is longer than {MAX_LINE:,} characters; check it.")
            yield line
    except UnicodeError as error:
        raise InputError(
            f"{table}, after line {number}: this is not {file.encoding.upper()} ({error}); save the table as UTF-8."
        ) from error


def require_utf8(*texts: str, where: str) -> None:
    """Raise InputError, starting with `where`, if one of these texts was read from bytes that are not UTF-8."""
    for text in texts:
        if has_escaped_bytes(text):
            written = text.encode(errors="surrogateescape").decode("cp1252", errors="replace")
            raise InputError(
                f"{where}: {written[:_MAX_SHOWN]!r} has bytes that are not UTF-8, as programs under Windows write "
                "them; save the table as UTF-8 (in Excel: 'CSV UTF-8')."
            )


def _encoding(start: bytes) -> str:
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    if len(start) > 1 and start[0] and not start[1]:
        return "utf-16-le"
    if len(start) > 1 and start[1] and not start[0]:
        return "utf-16-be"
    return "utf-8-sig"
