"""The state of a session as JSON objects: what the page gets."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.catalog.labels import natural_key
from trainer.cleaning.changes import describe
from trainer.cleaning.history import action_of
from trainer.cleaning.queues import NO_ENTRY, QUEUES, Entry, GroupQueue, ImageQueue, Progress, Queue
from trainer.cleaning.replay import Replayed
from trainer.cleaning.session import NONE, REMOVED, STATUSES, Changed, Session
from trainer.cleaning.stopping import right_in_a_row, stop_line

Json = dict[str, Any]

HASH_CHARACTERS = 12
_PROPOSING = ("wrong", "missing", "surplus", "top-losses")  # whose entry an image has outside of a queue
_MOST_UNAPPLIED = 1000
_REMEMBERED_SEARCHES = 4


@dataclass(frozen=True, kw_only=True)
class QueueRequest:
    """Which part of a queue is asked for.

    Attributes:
        name: Of the queue, or `class`.
        offset: Of the first item.
        limit: Number of items.
        label: Only images that have, or had, this label; empty: all.
        search: Only images whose path has this text in it, in any case; empty: all.
        hide_judged: Whether those are left out about which something was decided.
        ids: Just these images, or groups, in this order, whatever the rest says; None: those that the rest says.
    """

    name: str
    offset: int = 0
    limit: int = 60
    label: str = ""
    search: str = ""
    hide_judged: bool = False
    ids: tuple[int, ...] | None = None


class Views:
    """What a session and its queues look like.

    Attributes:
        session: The decisions.
        likely: The most probable classes of an image with their probabilities, where they are known.
        pending: The queues that are being worked out.
        notes: Sentences about what is not there, and why.
        failures: Sentences about queues that could not be worked out.
    """

    def __init__(self, session: Session, *, has_heatmaps: bool, has_predictions: bool) -> None:
        self.session = session
        self.likely: Callable[[int], Sequence[tuple[str, float]]] = lambda _: ()
        self.pending: Callable[[], Sequence[Progress]] = lambda: ()
        self.notes: list[str] = []
        self.failures: Callable[[], Sequence[str]] = lambda: ()
        self._flags = {"has_heatmaps": has_heatmaps, "has_predictions": has_predictions}
        ids = np.arange(len(session.subject.rows), dtype=np.int64)
        self._queues: dict[str, Queue] = {"everything": ImageQueue(name="everything", ids=ids)}
        self._settled: dict[str, npt.NDArray[np.bool_]] = {}  # of each group of a queue
        self._found: dict[Hashable, npt.NDArray[np.int64]] = {}  # positions that a person asked for last
        session.on_change = self._on_change
        self._original_counts = Counter(label for row in session.subject.rows for label in row.labels)

    @functools.cached_property
    def catalog_digest(self) -> str:
        """Of the images with their ids: a page that has another one shows other images."""
        lines = "\n".join(f"{row.sha256} {row.path}" for row in self.session.subject.rows)
        return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()[:16]

    def add(self, queues: Sequence[Queue]) -> None:
        """Add queues. Call it once for each name: the order of a queue never changes."""
        for queue in queues:
            self._queues.setdefault(queue.name, queue)
            if isinstance(queue, GroupQueue):
                settled = [self.session.is_settled(group.members) for group in queue.groups]
                self._settled[queue.name] = np.array(settled, dtype=np.bool_)
        self.session.bump()

    def queue(self, name: str) -> Queue | None:
        """The queue of this name; None if there is none, or not yet."""
        return self._queues.get(name)

    # ---- the whole

    def state(self) -> Json:
        """State: everything but the images."""
        session, subject = self.session, self.session.subject
        latest = session.latest_action()
        known = {*subject.classes}
        return {
            "name": subject.name,
            "source": subject.source,
            "task": subject.task,
            "images": len(subject.rows),
            "classes": [
                {"name": label, "count": session.class_counts[label], "is_new": label not in known}
                for label in session.classes
            ],
            "recent_classes": session.recent_classes,
            **self._flags,
            "queues": list(self._queue_states()),
            "notes": [*self.notes, *self.failures()],
            "edits": session.counts,
            "can_undo": describe(latest) if latest else None,
            "undo_action": action_of(latest[0]) if latest else None,
            "catalog": self.catalog_digest,
            "version": session.version,
        }

    def changed(self, changed: Changed) -> Json:
        """Changed: what an action did."""
        return {
            "action": changed.action,
            "items": [self.item(image, self._default_entry(image)) for image in changed.images],
            "state": self.state(),
        }

    def summary(self, replayed: Replayed) -> Json:
        """Summary: what changed, for the last page."""
        session = self.session
        names = sorted({*self._original_counts, *session.classes}, key=natural_key)
        return {
            "classes": [
                {"name": name, "before": self._original_counts[name], "after": session.class_counts[name]}
                for name in names
            ],
            "edits": session.counts,
            "judged": int((session.status != NONE).sum()),
            "by_queue": [
                {key: state[key] for key in ("name", "title", "count", "judged")} | {"changed": self._changed_in(state)}
                for state in self._queue_states()
            ],
            "collect": None,
            **self.finished(replayed),
        }

    def finished(self, replayed: Replayed) -> Json:
        """What cleaned.csv has, and how to train on it."""
        lost = replayed.labels_without_training
        return {
            "path": str(self.session.subject.cleaned),
            "command": self.session.subject.next_command(),
            "rows": len(replayed.rows),
            "unapplied": [
                {"path": edit.path, "reason": reason} for edit, reason in replayed.unapplied[:_MOST_UNAPPLIED]
            ],
            "warnings": [
                f"No training image has the label {label!r} any more, although others do: a fit would refuse that. "
                "Relabel or remove these images."
                for label in lost
            ],
        }

    # ---- images

    def item(self, image: int, entry: Entry = NO_ENTRY) -> Json:
        """Item: one image."""
        session = self.session
        original = session.subject.rows[image]
        return {
            "id": image,
            "path": original.path,
            "v": (original.sha256 or "")[:HASH_CHARACTERS],
            "split": original.split,
            "labels": sorted(session.labels(image), key=natural_key),
            "original_labels": sorted(original.labels, key=natural_key),
            "status": STATUSES[session.status[image]],
            "proposal": entry.proposal,
            "probability": None if entry.probability is None else round(entry.probability, 4),
            "reason": entry.reason,
            "likely": [label for label, _ in self.likely(image)],
        }

    def details(self, image: int) -> Json:
        """What is known about one image, without its size, its neighbours and what a check found."""
        queues = [name for name, queue in self._queues.items() if name != "everything" and _has(queue, image)]
        predictions = [
            {"label": label, "probability": round(probability, 4)} for label, probability in self.likely(image)
        ]
        return {**self.item(image, self._default_entry(image)), "predictions": predictions, "queues": queues}

    # ---- queues

    def page(self, request: QueueRequest) -> Json | None:
        """Queue: a part of a queue; None if there is no such queue. One that is not there yet is empty."""
        queue = self._queues.get("everything" if request.name == "class" else request.name)
        if queue is None:
            return (
                {"name": request.name, "count": 0, "offset": request.offset, "items": []}
                if (request.name in QUEUES)
                else None
            )
        if request.ids is not None:
            items = self._listed(queue, request.ids)
            return {"name": request.name, "count": len(items), "offset": 0, "items": items}
        end = request.offset + request.limit
        if isinstance(queue, GroupQueue):
            groups = self._groups(queue, request)
            items = [self._group(queue, position) for position in groups[request.offset : end]]
            return {"name": request.name, "count": len(groups), "offset": request.offset, "items": items}
        positions = self._positions(queue, request)
        items = [
            self.item(int(queue.ids[position]), queue.entry(position))
            for position in positions[request.offset : end].tolist()
        ]
        return {"name": request.name, "count": len(positions), "offset": request.offset, "items": items}

    def ids(self, request: QueueRequest) -> list[int] | None:
        """The ids of the images, or groups, of a queue, in order; None if there is no such queue."""
        queue = self._queues.get("everything" if request.name == "class" else request.name)
        if queue is None:
            return [] if request.name in QUEUES else None
        if isinstance(queue, GroupQueue):
            return self._groups(queue, request)
        ids: list[int] = queue.ids[self._positions(queue, request)].tolist()
        return ids

    def _listed(self, queue: Queue, ids: Sequence[int]) -> list[Json]:
        if isinstance(queue, GroupQueue):
            return [self._group(queue, position) for position in ids if position < len(queue)]
        known = [image for image in ids if image < len(self.session.subject.rows)]
        return [self.item(image, queue.entry_of(image) or NO_ENTRY) for image in known]

    def _positions(self, queue: ImageQueue, request: QueueRequest) -> npt.NDArray[np.int64]:
        positions = np.arange(len(queue.ids), dtype=np.int64)
        if request.hide_judged:
            positions = positions[self.session.status[queue.ids] == NONE]
        if not request.search and not request.label:
            return positions
        version = self.session.version if request.label or request.hide_judged else None
        key = (queue.name, request.search, request.label, request.hide_judged, version)
        if key not in self._found:  # a page of a list that is scrolled through asks for the same again and again
            matching = [self._matches(image, request) for image in queue.ids[positions].tolist()]
            self._found = dict([*self._found.items()][1 - _REMEMBERED_SEARCHES :])
            self._found[key] = positions[np.array(matching, dtype=np.bool_)]
        return self._found[key]

    def _groups(self, queue: GroupQueue, request: QueueRequest) -> list[int]:
        return [
            position
            for position, group in enumerate(queue.groups)
            if not (request.hide_judged and self._settled[queue.name][position])
            and any(self._matches(image, request) for image in group.members)
        ]

    def _matches(self, image: int, request: QueueRequest) -> bool:
        if request.search and request.search.casefold() not in self._folded_paths[image]:
            return False
        if not request.label:
            return True
        return request.label in self.session.subject.rows[image].labels or request.label in self.session.labels(image)

    def _on_change(self, images: Iterable[int]) -> None:
        for name, settled in self._settled.items():
            queue = self._queues[name]
            if isinstance(queue, GroupQueue):
                for position in {position for image in images for position in queue.groups_of.get(image, ())}:
                    settled[position] = self.session.is_settled(queue.groups[position].members)

    def _group(self, queue: GroupQueue, position: int) -> Json:
        group = queue.groups[position]
        left = [image for image in group.members if self.session.status[image] != REMOVED]
        return {
            "id": position,
            "reason": group.reason,
            "members": [self.item(image, self._default_entry(image)) for image in group.members],
            "keeper": (left or group.members)[0],
            "judged": bool(self._settled[queue.name][position]),
        }

    def _queue_states(self) -> Iterator[Json]:
        pending = {name: progress for progress in self.pending() for name in progress.names}
        for name, info in QUEUES.items():
            queue = self._queues.get(name)
            if queue is None and name not in pending:
                continue
            state = {"name": name, "title": info.title, "about": info.about, "kind": info.kind}
            counts: Json = {"count": 0, "judged": 0, "right_in_a_row": 0, "stop": None}
            if isinstance(queue, GroupQueue):
                counts |= {"count": len(queue.groups), "judged": int(self._settled[name].sum())}
            elif queue is not None:
                statuses = self.session.status[queue.ids]
                if info.has_end:
                    statuses = statuses[np.argsort(self.session.decided_at[queue.ids], kind="stable")]
                counts |= {
                    "count": len(statuses),
                    "judged": int((statuses != NONE).sum()),
                    "right_in_a_row": right_in_a_row(statuses) if info.has_end else 0,
                    "stop": stop_line(statuses, expected=queue.expected) if info.has_end else None,
                }
            progress = pending.get(name)
            working = {"step": progress.step, "fraction": round(progress.fraction, 3)} if progress else None
            yield {**state, **counts, "working": working}

    def _changed_in(self, state: Mapping[str, Any]) -> int:
        """How many images of a queue have other labels now, or are removed."""
        queue = self._queues.get(state["name"])
        if queue is None:
            return 0
        if isinstance(queue, GroupQueue):
            members = {*itertools.chain.from_iterable(group.members for group in queue.groups)}
            ids = np.array(sorted(members), dtype=np.int64)
        else:
            ids = queue.ids
        return int((self.session.status[ids] > 1).sum())

    def _default_entry(self, image: int) -> Entry:
        for name in _PROPOSING:
            queue = self._queues.get(name)
            found = queue.entry_of(image) if isinstance(queue, ImageQueue) else None
            if found is not None:
                return found
        return NO_ENTRY

    @functools.cached_property
    def _folded_paths(self) -> list[str]:
        return [row.path.casefold() for row in self.session.subject.rows]


def _has(queue: Queue, image: int) -> bool:
    return image in queue.groups_of if isinstance(queue, GroupQueue) else queue.entry_of(image) is not None
