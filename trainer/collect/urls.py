"""The list of URLs: a text file with one a line, or a table; and labels that are folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from service.inputs import InputError, read_bytes, read_records, unwritable
from trainer.catalog.labels import clean_label
from trainer.catalog.row import SPLIT_NAMES
from trainer.collect.failures import Failure
from trainer.errors import CatalogError, CollectError

_URL_SYNONYMS = ("urls", "image_url", "image_urls", "image_link", "link", "uri", "href", "src")
_NOT_IN_A_NAME = re.compile(r'[<>:"/\\|?*]')
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_MAX_LABEL_BYTES = 200
_MAX_URL_CHARACTERS = 8192
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?\.?|[0-9A-Fa-f:.]+")
_MAX_PORT = 65535


@dataclass(frozen=True, kw_only=True)
class Source:
    """One URL of a list.

    Attributes:
        number: Position in the list, from 0; of the first line, if several have the URL.
        url: As it was written, without white space around it.
        labels: Its labels; the first one is its folder. Empty: the image has no folder of its own.
        alternatives: URLs of the same photo, smaller perhaps, for when this one fails.
    """

    number: int
    url: str
    labels: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The label that is its folder; empty if it has none."""
        return self.labels[0] if self.labels else ""


def read_list(path: Path, *, url_column: str = "", label_column: str = "", label: str = "") -> list[Source]:
    """Read a list of URLs.

    Args:
        path: A text file with a URL in each line (blank lines and those that start with # are left out), or a table
            with a header: CSV, JSON lines or Parquet.
        url_column: Column of a table; empty: url.
        label_column: Column of a table; empty: label, if there is one.
        label: Label of all images.

    Returns:
        The URLs, each once.

    Raises:
        CollectError: The list cannot be read, is empty, or a label cannot be a folder. The message names the row.
    """
    try:
        if _is_text(path):
            if label_column or url_column:
                raise CollectError(f"{path}: this is a list without columns; leave out `label_column` and `url_column`")
            pairs = [(url, label) for url in _lines(path)]
        else:
            pairs = list(_rows(path, url_column, label_column, label))
    except InputError as error:
        raise CollectError(str(error)) from error
    except OSError as error:
        raise CollectError(f"{path}: the list cannot be read ({error.strerror})") from error
    if not pairs:
        raise CollectError(f"{path}: there is no URL in it")
    return sources_of(pairs)


def sources_of(pairs: Iterable[tuple[str, str]]) -> list[Source]:
    """Join what has the same URL.

    Args:
        pairs: URL and label of each; the label may be empty.

    Raises:
        CollectError: A label cannot be a folder, or two would be the same folder on some systems.
    """
    labels: dict[str, dict[str, None]] = {}
    for url, label in pairs:
        labels.setdefault(url, {}).update({label: None} if label else {})
    require_folders({label: None for found in labels.values() for label in found})
    return [Source(number=number, url=url, labels=tuple(found)) for number, (url, found) in enumerate(labels.items())]


def require_folders(labels: Iterable[str]) -> None:
    """Check that each label can be the name of a folder, on every system, and of one of its own.

    Raises:
        CollectError: One cannot.
    """
    folded: dict[str, str] = {}
    for label in labels:
        why = _why_no_folder(label)
        if why:
            raise CollectError(f"the label {label!r} {why}; a label becomes a folder: rename it")
        other = folded.setdefault(label.casefold(), label)
        if other != label:
            raise CollectError(f"the labels {other!r} and {label!r} are one folder on some systems; make them the same")


def check_url(text: str) -> httpx.URL:
    """Read a URL.

    Raises:
        Failure: It is not one of http or https, has a password in it, or is no URL at all.
    """
    try:
        url = httpx.URL(text) if len(text) <= _MAX_URL_CHARACTERS else httpx.URL()
    except (httpx.InvalidURL, ValueError) as error:
        raise Failure("bad-url", f"not a URL ({error})") from error
    if url.scheme not in ("http", "https"):
        raise Failure("bad-url", "not a URL of http or https")
    if url.userinfo:
        raise Failure("bad-url", "the URL has a user name or password in it")
    if not has_host(url):
        raise Failure("bad-url", "the URL has no valid host")
    return url.copy_with(fragment=None)


def has_host(url: httpx.URL) -> bool:
    """Whether a URL has a host and a port that can be connected to."""
    return _HOST.fullmatch(url.raw_host.decode("ascii")) is not None and 1 <= (url.port or 1) <= _MAX_PORT


def _why_no_folder(label: str) -> str:
    """What is wrong with a label; empty if it can be the name of a folder on every system."""
    forbidden = _NOT_IN_A_NAME.search(label)
    wrong = {
        "starts with . or ~": label.startswith((".", "~")),
        "has a character in it that is none of a text": unwritable(label),
        f"has {forbidden and forbidden[0]} in it": forbidden is not None,
        "ends with a dot, or has white space around it": label != label.strip() or label.endswith("."),
        "is a name that Windows reserves": _DEVICES.fullmatch(label) is not None,
        "is that of a split, which no class can have": label.casefold() in SPLIT_NAMES,
        f"is longer than {_MAX_LABEL_BYTES} bytes": len(label.encode(errors="replace")) > _MAX_LABEL_BYTES,
    }
    return next((why for why, is_wrong in wrong.items() if is_wrong), "")


def _is_text(path: Path) -> bool:
    """Whether a file is a list without columns: by its suffix, and if that says nothing by its first line."""
    suffix = path.suffix.casefold()
    if suffix in (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet", ".pq"):
        return False
    first = next(_lines(path), "")
    return "://" in first or not re.search(r"\burls?\b", first, re.IGNORECASE)


def _lines(path: Path) -> Iterator[str]:
    text = read_bytes(path).decode("utf-8-sig", errors="replace")
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def _rows(path: Path, url_column: str, label_column: str, label: str) -> Iterator[tuple[str, str]]:
    required = {"url_column": url_column or "url"}
    if label_column:
        required["label_column"] = label_column
    synonyms = {} if url_column else {"url": _URL_SYNONYMS}
    optional = () if label_column else ("label",)
    for record in read_records(path, required=required, optional=optional, synonyms=synonyms):
        where = f"{path}, row {record.number}"
        cells = {name: cell for name, cell in record.cells.items() if isinstance(cell, str)}
        url, own = cells.get(url_column or "url", "").strip(), cells.get(label_column or "label")
        if own is not None and label:
            raise CollectError(
                f"{path}: the list has labels; leave out `label`, or the column {label_column or 'label'}"
            )
        if not url:
            raise CollectError(f"{where}: there is no URL; give one, or remove the row")
        try:
            yield url, label if own is None else clean_label(own, where=where)
        except CatalogError as error:
            raise CollectError(str(error)) from error
