"""From what a person asks for, about images by their ids, to edits, about images by their hashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.catalog.labels import clean_label
from trainer.cleaning.edits import Edit
from trainer.cleaning.history import edit_id, new_action
from trainer.cleaning.session import Session
from trainer.errors import CatalogError

_MOST_CHANGES = 1000  # in one action
_MOST_IMAGES = 20_000  # in one action
_MOST_LABELS = 100  # of one image
_MOST_CHARACTERS = 1000  # of a label
_LABEL_KINDS = ("relabel", "add_labels", "remove_labels")
_KINDS = (*_LABEL_KINDS, "remove", "keep", "not_duplicate", "keep_copy")


class ChangeError(ValueError):
    """A change that cannot be made. The message is a sentence for the person who asked for it."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a person asks for.

    Attributes:
        kind: `relabel`, `add_labels` and `remove_labels` (multilabel), `remove`, `keep` (the labels are right),
            `not_duplicate` (no two of the images show the same), `keep_copy` (of a group).
        ids: The images.
        labels: The new, added or removed labels.
        kept: `keep_copy`: the image that stays.
    """

    kind: str
    ids: tuple[int, ...]
    labels: tuple[str, ...] = ()
    kept: int = -1


def parse_changes(value: object, session: Session) -> tuple[Change, ...]:
    """Read changes from JSON.

    Args:
        value: A list of objects as in `Change`; the image of `keep_copy` that stays is called `keeper`.
        session: Which images and labels there are.

    Raises:
        ChangeError: Something in it is wrong.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_CHANGES:
        raise ChangeError(f"'edits' must be a list of 1 to {_MOST_CHANGES:,} changes.")
    changes = tuple(_parse(change, session) for change in value)
    count = sum(len(change.ids) for change in changes)
    if count > _MOST_IMAGES:
        raise ChangeError(f"This is about {count:,} images; at most {_MOST_IMAGES:,} can be changed at once.")
    return changes


def edits_of(changes: Sequence[Change], session: Session, *, action: str) -> list[Edit]:
    """Turn changes into the edits of one action. Call it while no other thread changes the session.

    Args:
        changes: All of them.
        session: Which images and labels there are.
        action: Its id; see `history.new_action`.

    Raises:
        ChangeError: An image has no hash, or a change needs several images.
    """
    parts = (part for change in changes for part in _edits(change, session))
    return [Edit(**part, id=edit_id(action, number)) for number, part in enumerate(parts)]


def undo_of(edits: Sequence[Edit]) -> list[Edit]:
    """Return the edit that takes back these; none if there are none."""
    return [Edit(kind="undo", undoes=tuple(edit.id for edit in edits), id=new_action())] if edits else []


def describe(edits: Sequence[Edit]) -> str:
    """What an action did, in a few words: `Relabel 20 images to bee`."""
    first = edits[0]
    count = len({digest for edit in edits for digest in edit.sha256})
    images = f"{count:,} image{'' if count == 1 else 's'}"
    if {edit.kind for edit in edits} - {"relabel", "keep"} == set() and any(edit.kind == "relabel" for edit in edits):
        labels = {edit.labels for edit in edits if edit.kind == "relabel"}
        to = f" to {', '.join(next(iter(labels))) or 'no label'}" if len(labels) == 1 else ""
        return f"Relabel {images}{to}"
    if first.kind == "not_duplicate":
        return f"Not duplicates: {images}"
    if first.kind == "undo":
        return "Undo"
    return f"{'Remove' if first.kind == 'remove' else 'Keep'} {images}"


def _parse(value: object, session: Session) -> Change:
    if not isinstance(value, dict):
        raise ChangeError("A change must be an object.")
    kind, ids = value.get("kind"), value.get("ids")
    allowed = {"kind", "ids"}
    if kind not in _KINDS:
        raise ChangeError(f"'kind' must be one of {', '.join(_KINDS)}.")
    allowed |= {"labels"} if kind in _LABEL_KINDS else {"keeper"} if kind == "keep_copy" else set()
    unknown = value.keys() - allowed
    if unknown:
        raise ChangeError(f"A change of the kind {kind} has no {sorted(unknown)[0]!r:.40}.")
    if not isinstance(ids, list) or not ids:
        raise ChangeError("'ids' must be a list of images, with at least one.")
    found = tuple(dict.fromkeys(_image(number, session) for number in ids))
    kept = _image(value.get("keeper"), session) if kind == "keep_copy" else -1
    if kind == "keep_copy" and kept not in found:
        raise ChangeError("The image that stays must be one of the group.")
    return Change(kind=kind, ids=found, labels=_labels(value, kind, session), kept=kept)


def _image(value: object, session: Session) -> int:
    if type(value) is not int or not 0 <= value < len(session.subject.rows):
        raise ChangeError(f"There is no image with the id {value!r:.40}.")
    if session.subject.rows[value].sha256 is None:
        raise ChangeError(f"{session.subject.rows[value].path} could not be read, so nothing can be decided about it.")
    return value


def _labels(value: Mapping[str, Any], kind: str, session: Session) -> tuple[str, ...]:
    if kind not in _LABEL_KINDS:
        return ()
    labels = value.get("labels")
    delimiter = session.subject.label_delimiter
    if not isinstance(labels, list) or len(labels) > _MOST_LABELS or not all(isinstance(each, str) for each in labels):
        raise ChangeError(f"'labels' must be a list of at most {_MOST_LABELS} texts.")
    if delimiter is None and (kind != "relabel" or len(labels) != 1):
        raise ChangeError("Each image has one label here: relabel it, and give one label.")
    if kind != "relabel" and not labels:
        raise ChangeError("'labels' must have at least one label.")
    for label in labels:
        if len(label) > _MOST_CHARACTERS:
            raise ChangeError(f"A label has {len(label):,} characters; at most {_MOST_CHARACTERS:,} are allowed.")
        if delimiter is not None and delimiter in label:
            raise ChangeError(f"The label {label!r} has {delimiter!r} in it, which stands between labels in the table.")
    try:
        return tuple(dict.fromkeys(clean_label(label, where="The new label") for label in labels))
    except CatalogError as error:
        raise ChangeError(f"{error}") from error


def _edits(change: Change, session: Session) -> Iterator[dict[str, Any]]:
    """The attributes of the edits, without ids."""
    if change.kind == "not_duplicate":
        digests = dict.fromkeys(_digest(image, session) for image in change.ids)
        if len(digests) < 2:
            raise ChangeError("These are the same bytes, so they show the same: choose images that differ.")
        yield {"kind": "not_duplicate", "sha256": tuple(digests), "path": _path(change.ids[0], session)}
        return
    if change.kind == "keep_copy":
        yield from _removed_copies(change, session)
        return
    for image in _one_of_each(change.ids, session):
        about = {"sha256": (_digest(image, session),), "path": _path(image, session)}
        if change.kind == "remove":
            yield {"kind": "remove", **about}
            continue
        before = {session.labels(copy) for copy in session.copies(image)}
        labels = _new_labels(change, session.labels(image))
        if before == {labels}:
            yield {"kind": "keep", "labels": tuple(sorted(labels)), **about}
        else:
            lists = sorted(tuple(sorted(names)) for names in before)
            yield {"kind": "relabel", "labels": tuple(sorted(labels)), "before": tuple(lists), **about}


def _removed_copies(change: Change, session: Session) -> Iterator[dict[str, Any]]:
    """Remove all of a group but one image; other files with its bytes go, too."""
    kept_digest = _digest(change.kept, session)
    for image in _one_of_each(change.ids, session):
        digest = _digest(image, session)
        if digest != kept_digest:
            yield {"kind": "remove", "sha256": (digest,), "path": _path(image, session)}
        elif len(session.copies(image)) > 1:
            kept_path = _path(change.kept, session)
            yield {"kind": "remove", "sha256": (digest,), "path": _path(image, session), "kept_path": kept_path}


def _new_labels(change: Change, labels: frozenset[str]) -> frozenset[str]:
    match change.kind:
        case "relabel":
            return frozenset(change.labels)
        case "add_labels":
            return labels | {*change.labels}
        case "remove_labels":
            return labels - {*change.labels}
    return labels


def _one_of_each(images: Iterable[int], session: Session) -> list[int]:
    """The first image of each content."""
    found: dict[str, int] = {}
    for image in images:
        found.setdefault(_digest(image, session), image)
    return list(found.values())


def _digest(image: int, session: Session) -> str:
    return session.subject.rows[image].sha256 or ""


def _path(image: int, session: Session) -> str:
    return session.subject.rows[image].path
