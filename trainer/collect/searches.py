"""What providers answered, on the disk: DIR/searches.jsonl. A search that is repeated costs no requests.

It holds JSON objects, one a line:

    {"version": 1, "program": "fieldguide 0.1.0"}                        the first line
    {"search": {...}, "cursor": "", "time": ..., "page": {...}}          what was asked, and the answer

The folder is locked by the journal of its downloads. A line without its end is cut off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service import __version__
from trainer.catalog.names import SEARCHES
from trainer.collect.photos import Page, Photo, PhotoFilter
from trainer.errors import CollectError

NAME = SEARCHES
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is asked of a provider.

    Attributes:
        provider: Its name.
        query: The words.
        wanted: Which photos.
    """

    provider: str
    query: str
    wanted: PhotoFilter


class SearchJournal:
    """The answers so far."""

    def __init__(self, folder: Path) -> None:
        """Read the journal of a folder, if there is one.

        Raises:
            CollectError: It cannot be read.
        """
        self._path = folder / NAME
        self._pages: dict[tuple[Search, str], Page] = {}
        self._times: list[tuple[str, datetime]] = []
        try:
            self._read()
        except OSError as error:
            raise CollectError(f"{self._path}: cannot be used ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CollectError(f"{self._path}: this is not the journal of a search; give another folder") from error

    def page(self, search: Search, cursor: str) -> Page | None:
        """The answer of an earlier command; None if there is none."""
        return self._pages.get((search, cursor))

    def add(self, search: Search, cursor: str, page: Page) -> None:
        """Write an answer."""
        now = datetime.now(UTC)
        self._pages[search, cursor] = page
        self._times.append((search.provider, now))
        self._append({"search": asdict(search), "cursor": cursor, "time": now.isoformat(), "page": asdict(page)})

    def photos(self) -> Iterator[tuple[str, Photo]]:
        """Provider and photo, of all answers."""
        for (search, _), page in self._pages.items():
            for photo in page.photos:
                yield search.provider, photo

    def ages_s(self, provider: str) -> list[float]:
        """How long ago a provider was asked, in seconds."""
        now = datetime.now(UTC)
        return [max((now - asked).total_seconds(), 0.0) for name, asked in self._times if name == provider]

    def _append(self, value: dict[str, Any]) -> None:
        with open(self._path, "ab") as file:
            file.write(json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\n")

    def _read(self) -> None:
        content = self._path.read_bytes() if self._path.exists() else b""
        end = content.rfind(b"\n") + 1
        lines = content[:end].splitlines()
        if end != len(content):
            with open(self._path, "r+b") as file:
                file.truncate(end)
        if not lines:
            self._append({"version": _VERSION, "program": f"fieldguide {__version__}"})
            return
        version = json.loads(lines[0])["version"]
        if version != _VERSION:
            raise CollectError(f"{self._path}: it has the format {version}; this version reads {_VERSION}")
        for line in lines[1:]:
            value = json.loads(line)
            search, page = value["search"], value["page"]
            key = Search(**{**search, "wanted": _filter(search["wanted"])})
            photos = tuple(Photo(**{**photo, "tags": tuple(photo["tags"])}) for photo in page["photos"])
            self._pages[key, value["cursor"]] = Page(**{**page, "photos": photos})
            self._times.append((key.provider, datetime.fromisoformat(value["time"])))


def _filter(value: dict[str, Any]) -> PhotoFilter:
    lists = {name: tuple(value[name]) for name in ("licenses", "sources")}
    return PhotoFilter(**{**value, **lists})
