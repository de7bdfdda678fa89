"""The fate of every URL, on the disk as it happens: DIR/downloads.jsonl.

It holds JSON objects, one a line:

    {"version": 1, "program": "fieldguide 0.1.0"}                       the first line
    {"url": ..., "label": ..., "status": "kept", "path": ..., ...}      the fate of a URL; the last one of a URL counts
    {"move": "black/0a1b.jpg", "to": "grizzly/0a1b.jpg"}                a kept image belongs to a label listed before

A line without its end was written when the process was killed, and is cut off: that URL is downloaded again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from service import __version__
from trainer.catalog.names import DOWNLOADS
from trainer.errors import CollectError
from trainer.posix import flags, lock

NAME = DOWNLOADS
_VERSION = 1
_FLAGS = flags("O_RDWR", "O_CREAT", "O_APPEND", "O_NOFOLLOW", "O_CLOEXEC")

Status = Literal["kept", "duplicate", "failed"]


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of one URL.

    Attributes:
        url: As it was listed.
        label: Its label, the first of them; empty if it has none.
        labels: All labels that it was listed with.
        status: `kept` (there is an image), `duplicate` (its content is an image that another URL gave, or that was
            removed since) or `failed`.
        reason: Of a failure: a key of `trainer.collect.failures.REASONS`.
        detail: The same in words.
        http_status: Of the last response; None if there was none.
        sha256: Of the content, hexadecimal.
        bytes: Their number.
        format: Pillow's name of the format.
        width: Of the upright image, pixels.
        height: Of the upright image, pixels.
        path: Of the image, relative to the folder.
        final_url: Where the content came from, after redirects; of a failure, the last URL.
        requests: How many requests it took.
        time: When it was decided: UTC, ISO 8601.
    """

    url: str
    label: str = ""
    labels: tuple[str, ...] = ()
    status: Status
    reason: str = ""
    detail: str = ""
    http_status: int | None = None
    sha256: str = ""
    bytes: int = 0
    format: str = ""
    width: int = 0
    height: int = 0
    path: str = ""
    final_url: str = ""
    requests: int = 0
    time: str = ""


_FIELDS = frozenset(field.name for field in fields(Fate))


class Journal:
    """An open, locked journal.

    Attributes:
        fates: URL -> what became of it.
    """

    def __init__(self, folder: Path) -> None:
        """Open or create the journal in a folder.

        Raises:
            CollectError: Another process uses it, or it cannot be read.
        """
        self._path = folder / NAME
        try:
            self._file = os.fdopen(os.open(self._path, _FLAGS, 0o644), "r+b", buffering=0)
        except OSError as error:
            raise CollectError(f"{self._path}: cannot be used ({error.strerror})") from error
        try:
            lock(self._file, wait=False)
            self.fates = dict(self._read())
        except BlockingIOError as error:
            self._file.close()
            raise CollectError(f"{folder}: another process downloads to this folder; wait until it ends") from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, fate: Fate) -> None:
        """Write what became of a URL."""
        self.fates[fate.url] = fate
        self._append({name: value for name, value in vars(fate).items() if value not in ("", 0, None, ())})

    def move(self, fate: Fate, path: str) -> None:
        """Write that an image has another path."""
        self._append({"move": fate.path, "to": path})
        self.fates.update(_moved(self.fates.values(), fate.path, path))

    def _append(self, value: dict[str, Any]) -> None:
        line = json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass") + b"\n"
        while line:  # a disk that is nearly full takes a part of it
            line = line[self._file.write(line) :]

    def _read(self) -> Iterator[tuple[str, Fate]]:
        content = self._file.read()
        end = content.rfind(b"\n") + 1
        if end != len(content):
            self._file.truncate(end)
        lines = content[:end].splitlines()
        if not lines:
            self._append({"version": _VERSION, "program": f"fieldguide {__version__}"})
            return
        found: dict[str, Fate] = {}
        try:
            version = json.loads(lines[0])["version"]
            if version != _VERSION:
                raise CollectError(f"{self._path}: it has the format {version}; this version reads {_VERSION}")
            for line in lines[1:]:
                value = json.loads(line)
                if "move" in value:
                    found.update(_moved(found.values(), value["move"], value["to"]))
                    continue
                known = {name: entry for name, entry in value.items() if name in _FIELDS}
                fate = Fate(**{**known, "labels": tuple(known.get("labels", ()))})
                found[fate.url] = fate
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CollectError(f"{self._path}: this is not the journal of a download; give another folder") from error
        yield from found.items()


def _moved(fates: Iterable[Fate], old: str, new: str) -> list[tuple[str, Fate]]:
    return [(fate.url, replace(fate, path=new)) for fate in fates if fate.path == old]
