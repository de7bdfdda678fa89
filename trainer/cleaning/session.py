"""What a person has decided so far about the images of one catalog, on the disk and in memory.

Threads may share a session, and several processes may work on the same edits.jsonl: what others append is read before
each answer. Whatever the number of images, a decision costs as much as the images that it is about.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.catalog import Row
from trainer.catalog.labels import natural_key
from trainer.cleaning.edits import Edit, append_edits, parse_edits
from trainer.cleaning.history import EditHistory, action_of
from trainer.cleaning.replay import Replayed, decide, replay, write_cleaned

Status = Literal["none", "kept", "relabelled", "removed"]

STATUSES: tuple[Status, ...] = ("none", "kept", "relabelled", "removed")
NONE, KEPT, RELABELLED, REMOVED = range(4)
_RECENT_CLASSES = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What is cleaned.

    Attributes:
        name: Of the run.
        source: The path that a person gave.
        rows: With hashes; the number of a row is the id of its image.
        root: Folder that their paths are relative to.
        classes: In the order of the catalog.
        label_delimiter: Of the catalog; None for classification.
        edits: edits.jsonl.
        cleaned: cleaned.csv.
        next_command: Gives the command line that trains on it.
    """

    name: str
    source: str
    rows: tuple[Row, ...]
    root: Path
    classes: tuple[str, ...]
    label_delimiter: str | None
    edits: Path
    cleaned: Path
    next_command: Callable[[], str]

    @property
    def task(self) -> Task:
        """As in the catalog."""
        return "classification" if self.label_delimiter is None else "multilabel"


@dataclass(frozen=True, kw_only=True)
class Changed:
    """What an action did.

    Attributes:
        action: Its id; empty if there was nothing to do.
        images: The images whose state may be another now.
    """

    action: str
    images: tuple[int, ...]


NOTHING_CHANGED = Changed(action="", images=())


class Session:
    """The decisions about the images of a catalog.

    Attributes:
        subject: What is cleaned.
        status: uint8 [N], positions in `STATUSES`.
        decided_at: int64 [N], when each image was decided about last: the later, the larger. 0 if it never was.
        version: Rises with every change, also by other processes.
        on_change: Is called with the images whose state may be another now.
    """

    def __init__(self, subject: Subject) -> None:
        """Read what was decided before.

        Raises:
            RunError: edits.jsonl is damaged.
            OSError: It cannot be read.
        """
        self.subject = subject
        self.on_change: Callable[[Iterable[int]], None] = lambda _: None
        self._lock = threading.RLock()
        self._copies: defaultdict[str, list[int]] = defaultdict(list)
        for number, row in enumerate(subject.rows):
            if row.sha256:
                self._copies[row.sha256].append(number)
        self.version = 0
        self._start_over()
        with self.reading():
            pass

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep other threads out, after what other processes appended was read.

        Raises:
            RunError: edits.jsonl is damaged.
            OSError: It cannot be read.
        """
        with self._lock:
            self._catch_up()
            yield

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other threads out."""
        with self._lock:
            yield

    def row(self, image: int) -> Row | None:
        """The row of an image as it is now; None if it was removed."""
        return self._now.get(image, self.subject.rows[image])

    def labels(self, image: int) -> frozenset[str]:
        """The labels of an image as they are now; of one that was removed those before."""
        return (self.row(image) or self.subject.rows[image]).labels

    def copies(self, image: int) -> Sequence[int]:
        """All images with the same bytes, this one too."""
        return self._copies.get(self.subject.rows[image].sha256 or "", (image,))

    def is_settled(self, members: Iterable[int]) -> bool:
        """Whether at most one image of a group is left, or a person said that those that are left are not the same."""
        left = [image for image in members if self.status[image] != REMOVED]
        if len(left) < 2:
            return True
        digests = {self.subject.rows[image].sha256 for image in left}
        return any(
            edit.kind == "not_duplicate" and digests <= {*edit.sha256}
            for edit in self._history.of_image(self.subject.rows[left[0]].sha256 or "")
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many images have each status but `none`, how many groups are no duplicates, and how many edits do not
        apply.
        """
        found = np.bincount(self.status, minlength=len(STATUSES))
        return {
            "relabelled": int(found[RELABELLED]),
            "removed": int(found[REMOVED]),
            "kept": int(found[KEPT]),
            "not_duplicates": self._not_duplicates,
            "unapplied": sum(map(len, self._unapplied.values())),
        }

    @property
    def classes(self) -> list[str]:
        """All labels: those of the catalog in its order, and the new ones among them."""
        known = {*self.subject.classes}
        new = {label for label, count in self.class_counts.items() if count and label not in known}
        return [*self.subject.classes] if not new else sorted(known | new, key=natural_key)

    @property
    def recent_classes(self) -> list[str]:
        """The labels that were given last, the latest first."""
        return self._recent[::-1]

    def latest_action(self) -> Sequence[Edit]:
        """The edits of the latest action that an undo without a name takes back; empty if there is none."""
        for _, edits in self._history.actions_from_the_last():
            left = [edit for edit in edits if edit.kind != "undo" and self._history.is_in_force(edit)]
            if any(self._has_effect(edit) for edit in left):
                return left
        return ()

    def action(self, name: str) -> Sequence[Edit]:
        """The edits of an action that are in force, undos too; empty if there are none."""
        return [edit for edit in self._history.action(name) if self._history.is_in_force(edit)]

    def saved(self, name: str) -> Changed | None:
        """What an action is about, whether it is in force or not; None if there is no such action."""
        edits = self._history.action(name)
        digests = {digest for edit in edits for digest in self._history.images_of(edit)}
        images = {image for digest in digests for image in self._copies.get(digest, ())}
        return Changed(action=name, images=tuple(sorted(images))) if edits else None

    def save(self, edits: Sequence[Edit]) -> Changed:
        """Append the edits of one action. They are on the disk when this returns: all of them, or none.

        Raises:
            OSError: They cannot be written.
            RunError: edits.jsonl is damaged.
        """
        with self._lock:
            if not edits:
                return NOTHING_CHANGED
            append_edits(self.subject.edits, edits)
            images = self._catch_up()
        return Changed(action=action_of(edits[0]), images=tuple(sorted(images)))

    def replayed(self) -> Replayed:
        """The catalog after all decisions."""
        with self.reading():
            return replay(self.subject.rows, list(self._history.in_force()))

    def write_cleaned(self) -> Replayed:
        """Write cleaned.csv, completely or not at all.

        Raises:
            OSError: It cannot be written.
            RunError: edits.jsonl is damaged.
        """
        found, subject = self.replayed(), self.subject
        write_cleaned(subject.cleaned, found.rows, root=subject.root, label_delimiter=subject.label_delimiter)
        return found

    def _has_effect(self, edit: Edit) -> bool:
        """Whether something here would be another without it: not if the catalog was made from it."""
        images = [image for digest in edit.sha256 for image in self._copies.get(digest, ())]
        if edit.kind == "relabel":
            return any(self.subject.rows[image].labels != frozenset(edit.labels) for image in images)
        return bool(images)

    def _start_over(self) -> None:
        subject = self.subject
        self._history = EditHistory()
        self._read_bytes = self._read_lines = 0
        self._now: dict[int, Row | None] = {}
        self._unapplied: dict[str, list[str]] = {}
        self._recent: list[str] = []
        self._not_duplicates = 0
        self.status: npt.NDArray[np.uint8] = np.zeros(len(subject.rows), dtype=np.uint8)
        self.decided_at: npt.NDArray[np.int64] = np.zeros(len(subject.rows), dtype=np.int64)
        self.class_counts = Counter(label for row in subject.rows for label in row.labels)

    def _catch_up(self) -> set[int]:
        """Read what was appended since the last time, by whichever process. Returns the images that it is about."""
        path = self.subject.edits
        try:
            size = os.stat(path).st_size  # noqa: PTH116  (before every answer)
        except FileNotFoundError:
            size = 0
        if size == self._read_bytes:
            return set()
        if size < self._read_bytes:  # another file is in its place
            self._start_over()
            self.version += 1
            self.on_change(range(len(self.subject.rows)))
            if not size:
                return set()
        with open(path, "rb") as file:
            file.seek(self._read_bytes)
            appended = file.read()
        complete = appended[: appended.rfind(b"\n") + 1]  # after it there may be a line that is being written
        if not complete:
            return set()
        edits = parse_edits(complete, path=path, first_line=self._read_lines + 1)
        self._read_bytes += len(complete)
        self._read_lines += len(edits)
        self.version += 1
        return self._apply(edits)

    def _apply(self, edits: Sequence[Edit]) -> set[int]:
        touched = self._history.add(edits)
        for edit in edits:
            for label in edit.labels if edit.kind == "relabel" else ():
                self._recent = [*(other for other in self._recent if other != label), label][-_RECENT_CLASSES:]
        self._not_duplicates = self._history.count("not_duplicate")
        images = {image for digest in touched for image in self._apply_to(digest)}
        self.on_change(images)
        return images

    def _apply_to(self, digest: str) -> Sequence[int]:
        images = self._copies.get(digest, ())
        rows = self.subject.rows
        history = [edit for edit in self._history.of_image(digest) if edit.kind != "not_duplicate"]
        outcome = decide([rows[image] for image in images], history)
        if outcome.unapplied:
            self._unapplied[digest] = [edit.id for edit, _ in outcome.unapplied]
        else:
            self._unapplied.pop(digest, None)
        decided_at = self._history.number(history[-1]) + 1 if history else 0
        is_decided = any(edit.kind != "remove" for edit in history) and not outcome.unapplied
        for image in images:
            before, original = self.row(image), rows[image]
            after = outcome.rows[original.path]
            self.decided_at[image] = decided_at
            self.class_counts.subtract(before.labels if before else ())
            self.class_counts.update(after.labels if after else ())
            if after == original:
                self._now.pop(image, None)
            else:
                self._now[image] = after
            if after is None:
                self.status[image] = REMOVED
            elif after.labels != original.labels:
                self.status[image] = RELABELLED
            else:
                self.status[image] = KEPT if is_decided else NONE
        return images
