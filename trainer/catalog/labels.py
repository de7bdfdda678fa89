"""Labels: cleaned when they are read, sorted as people expect, and with a coarse label for each class if requested."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from service.inputs import first_few, unwritable
from trainer.catalog.row import Row
from trainer.errors import CatalogError

_DIGITS = re.compile(r"([0-9]+)")
_SEPARATORS = re.compile(r"[\s_-]+")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[\s_-]+(?=[0-9])")


def clean_label(text: str, *, where: str) -> str:
    """Return the label without leading and trailing white space, in Unicode's NFC form.

    Raises:
        CatalogError: The label is empty or contains a character that a table cannot hold. The message starts with
            `where`.
    """
    label = unicodedata.normalize("NFC", text.strip())
    if not label:
        raise CatalogError(f"{where}: the label is empty; give every image a label.")
    if unwritable(label):
        raise CatalogError(
            f"{where}: the label {label!r} has a control character or bytes that are not UTF-8; rename it."
        )
    return label


def split_labels(text: str, *, delimiter: str, where: str) -> frozenset[str]:
    """Return the labels of one cell. Empty pieces are ignored; an empty cell gives the empty set.

    Raises:
        CatalogError: See `clean_label`.
    """
    return frozenset(clean_label(piece, where=where) for piece in text.split(delimiter) if piece.strip())


def find_spellings(counts: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Find labels that differ only in case, blanks, `_`, `-` and Unicode form: `Golden Retriever`, `golden_retriever`.

    A separator between two digits counts: 1-1 is not 11.

    Args:
        counts: Label -> number of images.

    Returns:
        The most frequent spelling -> the others, in natural order; only if there are others.
    """
    spellings: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(counts, key=natural_key):
        spellings[_plain(label)].append(label)
    found = {}
    for labels in spellings.values():
        if len(labels) > 1:
            first = max(labels, key=lambda label: counts[label])
            found[first] = tuple(label for label in labels if label != first)
    return found


def join_spellings(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows with the most frequent spelling of each label; see `find_spellings`."""
    counts = Counter(label for row in rows for label in row.labels)
    return relabelled(rows, {other: one for one, others in find_spellings(counts).items() for other in others})


def relabelled(rows: Iterable[Row], names: Mapping[str, str]) -> tuple[Row, ...]:
    """Return the rows with some labels replaced: old -> new."""
    return tuple(replace(row, labels=frozenset(names.get(label, label) for label in row.labels)) for row in rows)


def same_spelling(label: str, labels: Iterable[str]) -> str:
    """Return the one of `labels` that differs from `label` only as `find_spellings` says; else `label`."""
    return next((other for other in labels if _plain(other) == _plain(label)), label)


def _plain(label: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    return _SEPARATORS.sub("", _BETWEEN_DIGITS.sub(".", folded)) or label  # a label of separators alone is itself


def natural_key(label: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """Return a sort key that puts '2' before '10' and 'b' before 'C'; the plain string decides ties.

    Runs of ASCII digits are compared as numbers: by length, then digit by digit, so a run may have any length.
    """
    pieces = _DIGITS.split(label.casefold())
    key = tuple(_number(piece) if index % 2 else piece for index, piece in enumerate(pieces))
    return key, label


def find_coarse_labels(entries: Iterable[tuple[str, str, str]], *, where: str) -> dict[str, str]:
    """Find the coarse label of each class: every Granny Smith is an apple.

    Args:
        entries: (label, coarse label, place) of each image. The place is its row or path, for the error message.
        where: Start of the error message.

    Returns:
        Label -> coarse label.

    Raises:
        CatalogError: A class has two coarse labels. The message gives the places.
    """
    found: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for label, coarse_label, place in entries:
        found[label][coarse_label].append(place)
    ambiguous = sorted((label for label, coarse_labels in found.items() if len(coarse_labels) > 1), key=natural_key)
    if ambiguous:
        parts = [f"{coarse!r} ({first_few(places, most=3)})" for coarse, places in found[ambiguous[0]].items()]
        listed = first_few(parts, most=3, separator=" and ")
        more = f" (and {len(ambiguous) - 1:,} more classes have several)" if len(ambiguous) > 1 else ""
        raise CatalogError(
            f"{where}: the class {ambiguous[0]!r} has the coarse labels {listed}{more}; give every class one."
        )
    return {label: coarse_label for label, coarse_labels in found.items() for coarse_label in coarse_labels}


def _number(digits: str) -> tuple[int, str]:
    significant = digits.lstrip("0")
    return len(significant), significant
