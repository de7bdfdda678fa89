"""attribution.csv: who made each photo, under which licence, and the sentence that says so."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from trainer.atomic import atomic_write_text
from trainer.catalog.names import ATTRIBUTION
from trainer.collect.journal import Fate
from trainer.collect.photos import Photo

NAME = ATTRIBUTION
COLUMNS = ("path", "title", "creator", "license", "license_url", "source_page", "attribution", "provider", "url")
# A spreadsheet runs a cell that starts with one of these, or with its full-width form.
_RUN = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_attribution(folder: Path, photos: Iterable[tuple[str, Photo]], fates: Mapping[str, Fate]) -> int:
    """Write the file anew: a row for each photo in a folder, sorted by path.

    Args:
        folder: Where the images are.
        photos: Provider and photo, of all that was found.
        fates: URL -> what became of it.

    Returns:
        Number of rows.
    """
    rows = {}
    for provider, photo in photos:
        fate = fates.get(photo.url)
        if fate is None or fate.status != "kept" or not (folder / fate.path).is_file():
            continue
        facts = (photo.title, photo.creator, photo.license, photo.license_url, photo.page, photo.attribution)
        rows[fate.path] = (fate.path, *facts, provider, photo.url)
    with atomic_write_text(folder / NAME) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([safe_cell(cell) for cell in rows[path]] for path in sorted(rows))
    return len(rows)


def safe_cell(text: str) -> str:
    """A cell in one line, which no spreadsheet takes for a formula: with an apostrophe before it if it is like one."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return f"'{line}" if line.startswith(_RUN) else line
