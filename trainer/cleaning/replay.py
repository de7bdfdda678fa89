"""From a catalog and the edits of a person to cleaned.csv. The images are not touched."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.catalog import Row, write_table
from trainer.cleaning.edits import Edit, in_force


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A catalog after all edits.

    Attributes:
        rows: What is left, with its new labels; every row keeps its split.
        relabelled: Path -> the labels before.
        removed: The rows that are left out.
        kept: Hashes of the images whose labels a person called right, as they are now.
        not_duplicates: Pairs of hashes, the lesser one first, of images that do not show the same.
        unapplied: The edits that do not apply, each with the reason.
    """

    rows: tuple[Row, ...]
    relabelled: dict[str, frozenset[str]]
    removed: tuple[Row, ...]
    kept: frozenset[str]
    not_duplicates: frozenset[tuple[str, str]]
    unapplied: tuple[tuple[Edit, str], ...]

    @property
    def labels_without_training(self) -> tuple[str, ...]:
        """Labels that no training image has any more, although others do: a fit would refuse them."""
        trained = {label for row in self.rows if row.split == "train" for label in row.labels}
        return tuple(sorted({label for row in self.rows for label in row.labels} - trained))


def replay(rows: Sequence[Row], edits: Sequence[Edit]) -> Replayed:
    """Apply edits to the rows of a catalog by the hash of each image; `rows` may have grown or moved since.

    The last decision about an image counts. An image that got other labels from elsewhere since it was relabelled keeps
    them: that edit is reported. Exact copies are one image, unless a removal names the copy that stays.

    Args:
        rows: With hashes; a row without one is left as it is.
        edits: As `read_edits` returns them.
    """
    present: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.sha256:
            present[row.sha256].append(row)
    unapplied: list[tuple[Edit, str]] = []
    decided: defaultdict[str, list[Edit]] = defaultdict(list)
    not_duplicates: set[tuple[str, str]] = set()
    for edit in in_force(edits):
        if edit.kind == "not_duplicate":
            found = sorted(digest for digest in edit.sha256 if digest in present)
            not_duplicates.update(itertools.combinations(found, 2))
        else:
            decided[edit.sha256[0]].append(edit)

    after: dict[str, Row | None] = {}
    kept: set[str] = set()
    for digest, history in decided.items():
        outcome = decide(present.get(digest, ()), history)
        after |= outcome.rows
        unapplied += outcome.unapplied
        if outcome.is_kept:
            kept.add(digest)
    left = [after.get(row.path, row) for row in rows]
    cleaned = _with_coarse_labels([row for row in left if row is not None], rows)
    labels = {row.path: row.labels for row in rows}
    return Replayed(
        rows=tuple(cleaned),
        relabelled={row.path: labels[row.path] for row in cleaned if row.labels != labels[row.path]},
        removed=tuple(row for row in rows if after.get(row.path, row) is None),
        kept=frozenset(kept),
        not_duplicates=frozenset(not_duplicates),
        unapplied=tuple(unapplied),
    )


def write_cleaned(path: Path, rows: Sequence[Row], *, root: Path, label_delimiter: str | None) -> None:
    """Write cleaned.csv, completely or not at all; one that was written before is replaced.

    Args:
        path: cleaned.csv.
        rows: Of `Replayed`.
        root: What the paths of the rows are relative to. In the table they are relative to its folder, so that it can
            be read without naming a root.
        label_delimiter: Of the catalog.
    """
    base = path.parent.resolve()
    moved = [dataclasses.replace(row, path=_relative(root / row.path, base)) for row in rows]
    write_table(path, moved, label_delimiter=label_delimiter, replace=True)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What becomes of the copies of one image: path -> its row, or None if it is removed; and what does not apply."""

    rows: dict[str, Row | None]
    unapplied: list[tuple[Edit, str]]
    is_kept: bool


def decide(copies: Sequence[Row], history: Sequence[Edit]) -> Outcome:
    """Apply the edits of one image.

    Args:
        copies: The rows with its bytes. If there are none, all edits are reported, unless the last one removes it.
        history: Edits in force that name it, in order, without `not_duplicate`.
    """
    if not copies:
        is_removed = bool(history) and history[-1].kind == "remove" and not history[-1].kept_path
        gone = [] if is_removed else [(edit, "no image has these bytes any more") for edit in history]
        return Outcome(rows={}, unapplied=gone, is_kept=False)
    remaining, judged = list(copies), None
    for edit in history:
        if edit.kind == "remove":
            remaining = [_kept_copy(remaining or copies, edit)] if edit.kept_path else []
        else:
            judged, remaining = edit, remaining or list(copies)
    rows: dict[str, Row | None] = {row.path: None for row in copies}
    rows |= {row.path: row for row in remaining}
    if judged is None:
        return Outcome(rows=rows, unapplied=[], is_kept=False)
    labels, unapplied = frozenset(judged.labels), []
    # The image may be of a table that some of these edits were written to before.
    replaced = {frozenset(names) for edit in history if edit.kind == "relabel" for names in (*edit.before, edit.labels)}
    for row in remaining:
        if row.labels == labels or row.labels in replaced:
            rows[row.path] = dataclasses.replace(row, labels=labels)
        else:
            now, then = (", ".join(sorted(names)) or "no label" for names in (row.labels, labels))
            unapplied.append((judged, f"{row.path} was given other labels since: {now}, but this edit says {then}"))
    return Outcome(rows=rows, unapplied=unapplied, is_kept=judged.kind == "keep" and bool(remaining) and not unapplied)


def _kept_copy(copies: Sequence[Row], edit: Edit) -> Row:
    """The copy that stays: the one that the edit names, or the first one if that one was moved."""
    return next((row for row in copies if row.path == edit.kept_path), copies[0])


def _with_coarse_labels(rows: Iterable[Row], before: Sequence[Row]) -> list[Row]:
    """Give each row the coarse label that its label had before; a new label has that of its first image."""
    coarse_labels = {label: row.coarse_label for row in before for label in row.labels if row.coarse_label}
    if not coarse_labels:
        return list(rows)
    labelled = []
    for row in rows:
        label = min(row.labels, default="")
        coarse_label = coarse_labels.setdefault(label, row.coarse_label) if label else row.coarse_label
        labelled.append(dataclasses.replace(row, coarse_label=coarse_label))
    return labelled


def _relative(file: Path, base: Path) -> str:
    return Path(os.path.relpath(file, base)).as_posix()
