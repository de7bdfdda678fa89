"""Labels: cleaned when they are read, and put into an order that people expect."""

from __future__ import annotations

import re
import unicodedata

from trainer.errors import CatalogError

# Control characters, and the lone surrogates that stand for bytes that are not UTF-8 (PEP 383).
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DIGITS = re.compile(r"([0-9]+)")


def unwritable(text: str) -> bool:
    """Whether `text` cannot stand in a UTF-8 table or page: control characters, bytes that are not UTF-8."""
    return _UNWRITABLE.search(text) is not None


def clean_label(text: str, *, where: str) -> str:
    """The label without outer white space, in Unicode's NFC form.

    Raises CatalogError that begins with `where` when nothing is left or a character cannot be written.
    """
    label = unicodedata.normalize("NFC", text.strip())
    if not label:
        raise CatalogError(f"{where}: the label is empty; give every image a label.")
    if unwritable(label):
        raise CatalogError(
            f"{where}: the label {label!r} holds a control character or bytes that are not UTF-8; rename it."
        )
    return label


def split_labels(text: str, *, delimiter: str, where: str) -> frozenset[str]:
    """The set of labels in one cell; empty pieces are no label, and an empty cell is the empty set.

    Raises CatalogError that begins with `where`, as `clean_label` does.
    """
    return frozenset(clean_label(piece, where=where) for piece in text.split(delimiter) if piece.strip())


def natural_key(label: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """A sort key by which '2' comes before '10' and 'b' before 'C'; ties fall back on the plain string.

    Runs of ASCII digits are compared as numbers (by length, then digit by digit, so that no run is too long).
    """
    pieces = _DIGITS.split(label.casefold())
    key = tuple(_number(piece) if index % 2 else piece for index, piece in enumerate(pieces))
    return key, label


def _number(digits: str) -> tuple[int, str]:
    significant = digits.lstrip("0")
    return len(significant), significant
