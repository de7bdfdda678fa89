"""Pieces of Markdown, as GitHub shows it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table with an empty line after it; none at all if there are no rows."""
    lines = [_row(row) for row in rows]
    return [_row(header), "|" + "---|" * len(header), *lines, ""] if lines else []


def code(text: object) -> str:
    """The text as code; "" for an empty one."""
    return f"`{text}`" if str(text) else ""


def codes(values: Iterable[object]) -> str:
    """Several pieces of code, separated by commas."""
    return ", ".join(code(value) for value in values)


def value(text: str) -> str:
    """A value as code, or as text if it is a phrase: `0.2`, but the folder of the CSV."""
    return text if " " in text else code(text)


def bounds(low: float, high: float) -> str:
    """The values that a number may have: `0 to 1`, `at least 1`; "" for any."""
    if high < math.inf:
        return f"{low:g} to {high:g}"
    return f"at least {low:g}" if low > -math.inf else ""


def link(text: str, target: str) -> str:
    """A link to a page or, as `#anchor`, to a heading of this page."""
    return f"[{text}]({target})"


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading of plain text that stands only once on its page, with its `#`."""
    return "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def paragraph(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(paragraph(cell).replace("|", "\\|") for cell in cells) + " |"
