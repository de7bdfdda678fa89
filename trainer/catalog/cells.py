"""What the cells of a label column mean: one label, several, or none."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from numbers import Integral

from service.inputs import Cell, first_few
from trainer.catalog.labels import clean_label, natural_key, split_labels
from trainer.errors import CatalogError

_DELIMITERS = (";", "|", ",", "/")
# What programs write for an empty cell, and nobody as a label: pandas, databases, and the errors of spreadsheets.
_EMPTY = frozenset(
    {
        *("nan", "-nan", "<na>", "\\n", "#n/a", "#na", "#n/a n/a", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
        *("#ref!", "#value!", "#name?", "#div/0!", "#null!", "#num!", "#nv"),
    }
)
# What they write too, and somebody may mean: a class "none".
_PERHAPS_EMPTY = frozenset({"na", "n/a", "nat", "none", "null"})
_NUMBER = re.compile(r"(-?)0*([0-9]+)(?:\.0*)?")


def is_empty(text: str) -> bool:
    """Whether a cell is empty, or has a word that programs write for an empty cell, such as `NaN`."""
    return not text.strip() or text.strip().casefold() in _EMPTY


def read_labels(cell: Cell, *, delimiter: str | None, where: str, as_is: bool = False) -> frozenset[str]:
    """Return the labels of a cell.

    Args:
        cell: Text, or a list of labels.
        delimiter: Separates the labels in a text; None: it is one label.
        where: Start of the error message: table and row.
        as_is: Whether `NaN` is a label. It may be one in a table that was written here: that of a folder.

    Raises:
        CatalogError: The label is empty or cannot be written, or a label of a list has the delimiter.
    """
    if isinstance(cell, tuple):
        labels = frozenset(clean_label(label, where=where) for label in cell if not is_empty(label))
        for label in labels:
            if delimiter is not None and delimiter in label:
                raise CatalogError(f"{where}: the label {label!r} has {delimiter!r}; give another `label_delimiter`.")
        return labels
    text = "" if is_empty(cell) and not as_is else cell
    if delimiter is not None:
        return split_labels(text, delimiter=delimiter, where=where)
    if cell.strip() and not text:
        raise CatalogError(
            f"{where}: the label is {cell.strip()!r}, which programs write for an empty cell; give every image a label."
        )
    return frozenset({clean_label(text, where=where)})


def labels_from_python(values: Sequence[object], names: Sequence[str]) -> tuple[list[frozenset[str]], bool]:
    """Read the labels of N images as Python code gives them: one for each image, or a list of labels for each.

    Args:
        values: N labels, or N collections of labels.
        names: N names of the images, for messages.

    Returns:
        N sets of labels, and whether each image has a list.

    Raises:
        CatalogError: A value is neither, some images have one label and others a list, or a label cannot be written.
    """
    several = bool(values) and not _is_one_label(values[0])
    found = []
    for value, name in zip(values, names, strict=True):
        if several == _is_one_label(value) or not isinstance(value, (str, Integral, Iterable)):
            raise CatalogError(f"{name}: its label is {value!r}; give each image one label, or each a list of labels")
        labels = value if several and isinstance(value, Iterable) else (value,)
        found.append(frozenset(clean_label(str(label), where=name) for label in labels))
    return found, several


def _is_one_label(value: object) -> bool:
    return isinstance(value, (str, Integral))


def choose_delimiter(labels: Iterable[str]) -> str:
    """Return what separates labels in the tables that are written: no label has it.

    Raises:
        CatalogError: Every delimiter is in some label.
    """
    text = "".join(labels)
    found = next((delimiter for delimiter in _DELIMITERS if delimiter not in text), None)
    if found is None:
        raise CatalogError(f"the labels have all of {' '.join(_DELIMITERS)}; remove one of these from them")
    return found


def label_remarks(labels: Collection[str]) -> Iterator[str]:
    """Yield remarks about labels that may be a mistake of the program that wrote the table."""
    numbers: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for label in sorted(labels, key=natural_key):
        number = _NUMBER.fullmatch(label)
        if number:
            numbers[number.groups()].append(label)
    alike = [" and ".join(map(repr, same)) for same in numbers.values() if len(same) > 1]
    if alike:
        yield f"labels that are the same number, but written in different ways, stay different: {first_few(alike)}."
    perhaps_empty = [repr(label) for label in sorted(labels) if label.casefold() in _PERHAPS_EMPTY]
    if perhaps_empty:
        yield (
            f"{first_few(perhaps_empty)} is read as a class, though programs write it for an empty cell; remove these "
            "rows if that is so."
        )
