"""edits.jsonl: what a person decided about images, one JSON object a line, in the order of the decisions.

    {"kind": "relabel", "id": ..., "sha256": [H], "labels": ["bee"], "before": [["ant"]], "path": "ant/1.jpg"}
    {"kind": "remove", "id": ..., "sha256": [H], "path": ...}             every image with these bytes
    {"kind": "remove", "id": ..., "sha256": [H], "kept_path": "ant/1.jpg"}   every copy but this one
    {"kind": "keep", "id": ..., "sha256": [H], "labels": ["ant"]}         these labels are right
    {"kind": "not_duplicate", "id": ..., "sha256": [H1, H2]}              no two of these show the same
    {"kind": "undo", "id": ..., "undoes": [id, ...]}                      may undo an undo, too

Images are named by the SHA-256 of their bytes, so that decisions still apply to images that were moved, and among many
new ones; `path` is where the image was, for messages. Lines are only ever appended. A last line without its end was
being written when the process was killed or the disk was full: it is ignored, and cut off before the next line.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from trainer.errors import RunError
from trainer.posix import flags, lock

Kind = Literal["relabel", "remove", "keep", "not_duplicate", "undo"]

_KINDS = get_args(Kind)
_FILE_FLAGS = flags("O_RDWR", "O_CREAT", "O_APPEND", "O_NOFOLLOW", "O_CLOEXEC")
_TAIL_BYTES = 1 << 16


def _new_id() -> str:
    return secrets.token_hex(8)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One decision.

    Attributes:
        kind: What was decided.
        sha256: Hashes of the images, hexadecimal: one, for `not_duplicate` two or more, for `undo` none.
        labels: `relabel`: the new labels. `keep`: those that are right. Multilabel: there may be none.
        before: `relabel`: the labels that images with these bytes had then. If an image has others when the edit is
            replayed, the edit does not apply to it.
        kept_path: `remove`: path of the copy that stays; empty: none stays.
        path: Where the first image was, for messages.
        undoes: `undo`: the ids of the edits that are taken back.
        id: Unique, so that several pages may append to one file.
    """

    kind: Kind
    sha256: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    kept_path: str = ""
    path: str = ""
    undoes: tuple[str, ...] = ()
    id: str = field(default_factory=_new_id)

    def __post_init__(self) -> None:
        hashes = len(set(self.sha256))
        fewest, most = {"not_duplicate": (2, hashes), "undo": (0, 0)}.get(self.kind, (1, 1))
        if self.kind not in _KINDS:
            raise ValueError(f"the kind is {self.kind!r}; it must be one of {', '.join(_KINDS)}")
        if not fewest <= hashes <= most or hashes != len(self.sha256):
            raise ValueError(f"an edit of the kind {self.kind!r} cannot name {len(self.sha256)} images")
        if bool(self.undoes) != (self.kind == "undo"):
            raise ValueError("an undo names the edits that it takes back, and no other edit does")
        if not self.id:
            raise ValueError("the id is empty")

    def to_json(self) -> dict[str, Any]:
        """Return what its line says; what is empty is left out, but not the labels of a relabel or keep."""
        always = ("labels",) if self.kind in ("relabel", "keep") else ()
        return {name: value for name, value in asdict(self).items() if value or name in always}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Edit:
        """Read what `to_json` returns.

        Raises:
            ValueError: A value is wrong, or a name is unknown.
        """
        unknown = value.keys() - cls.__dataclass_fields__.keys()
        if unknown or "kind" not in value or "id" not in value:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}" if unknown else "kind or id is missing")
        names = {key: _names(value.get(key, [])) for key in ("sha256", "labels", "undoes")}
        texts = {key: _text(value.get(key, "")) for key in ("kind", "kept_path", "path", "id")}
        before = value.get("before", [])
        if not isinstance(before, list):
            raise ValueError("before is not a list")
        return cls(**names, **texts, before=tuple(_names(labels) for labels in before))  # type: ignore[arg-type]


def append_edits(path: Path, edits: Sequence[Edit]) -> None:
    """Append edits; when this returns, they are on the disk. Several processes may append to the same file.

    Args:
        path: edits.jsonl; is created if it is not there.
        edits: All are written, or none counts.

    Raises:
        OSError: They cannot be written, because the disk is full or `path` is a link.
    """
    if not edits:
        return
    lines = "".join(f"{json.dumps(edit.to_json(), ensure_ascii=True)}\n" for edit in edits).encode()
    is_new = not path.exists()
    with os.fdopen(os.open(path, _FILE_FLAGS, 0o644), "r+b", buffering=0) as file:
        lock(file)
        end = _cut_torn_line(file.fileno())
        try:
            written = 0
            while written < len(lines):
                written += file.write(lines[written:])
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), end)
            raise
    if is_new:
        _sync_folder(path.parent)


def read_edits(path: Path) -> tuple[Edit, ...]:
    """Read all edits, in order; none if the file is not there.

    Raises:
        RunError: A line is not an edit.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    return parse_edits(content, path=path)


def parse_edits(content: bytes, *, path: Path, first_line: int = 1) -> tuple[Edit, ...]:
    """Parse lines of edits.jsonl. What follows the last line end is a torn line, and is ignored.

    Args:
        content: The lines.
        path: edits.jsonl, for messages.
        first_line: Number of the first of these lines in it.

    Raises:
        RunError: A line is not an edit.
    """
    edits: list[Edit] = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=first_line):
        try:
            value = json.loads(line)
            if not isinstance(value, dict):
                raise ValueError("it is not an object")
            edits.append(Edit.from_json(value))
        except (ValueError, RecursionError) as error:
            raise RunError(
                f"{path}, line {number}, is not an edit ({error}); correct or remove this line, or use the version of "
                "fieldguide that wrote it"
            ) from error
    return tuple(edits)


def in_force(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Return the edits that no undo takes back, in order, without the undos. An undo of an undo restores."""
    undone: set[str] = set()
    left: list[Edit] = []
    for edit in reversed(edits):  # an edit can be taken back only by a later one
        if edit.id in undone:
            continue
        if edit.kind == "undo":
            undone.update(edit.undoes)
        else:
            left.append(edit)
    return tuple(reversed(left))


def _cut_torn_line(descriptor: int) -> int:
    """Cut off what follows the last line end. Returns the size of the file."""
    size = os.fstat(descriptor).st_size
    end = size
    while end:
        start = max(0, end - _TAIL_BYTES)
        os.lseek(descriptor, start, os.SEEK_SET)
        found = os.read(descriptor, end - start).rfind(b"\n")
        end = start + found + 1
        if found >= 0:
            break
    if end < size:
        os.ftruncate(descriptor, end)
    return end


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40} is not a list")
    return tuple(_text(name) for name in value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is not a text")
    return value
