"""Files for the tests of the catalog, which reads names and bytes but never decodes an image."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.service.inputs.files import put


def bears(root: Path, *, each: int = 10, classes: Sequence[str] = ("black", "grizzly", "teddy")) -> Path:
    """`each` images in every class folder."""
    return put(root, *(f"{name}/{number:02}.jpg" for name in classes for number in range(each)))


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    """A CSV, and next to it an image for the first cell of each row."""
    rows = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    put(path.parent, *(row[0] for row in rows))
    return path
