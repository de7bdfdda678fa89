"""The state of a session as JSON objects: what the page gets."""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from trainer.catalog.labels import natural_key
from trainer.cleaning.browsing import QueueRequest, QueueSet
from trainer.cleaning.changes import describe
from trainer.cleaning.history import action_of
from trainer.cleaning.queues import NO_ENTRY, QUEUES, Entry, GroupQueue, Progress, Queue
from trainer.cleaning.replay import Replayed
from trainer.cleaning.session import NONE, RELABELLED, REMOVED, STATUSES, Changed, Session
from trainer.cleaning.stopping import right_in_a_row, stop_line

Json = dict[str, Any]

HASH_CHARACTERS = 12
_MOST_UNAPPLIED = 1000


class Views:
    """What a session and its queues look like.

    Attributes:
        session: The decisions.
        queues: The queues that are there so far.
        likely: The most probable classes of an image with their probabilities, where they are known.
        pending: The queues that are being worked out.
        notes: Sentences about what is not there, and why.
        failures: Sentences about queues that could not be worked out.
        collect: What to collect next, as objects with `label`, `sentence`, `images` and `gain`; None: nobody knows.
    """

    def __init__(self, session: Session, *, has_heatmaps: bool, has_predictions: bool) -> None:
        self.session = session
        self.likely: Callable[[int], Sequence[tuple[str, float]]] = lambda _: ()
        self.pending: Callable[[], Sequence[Progress]] = lambda: ()
        self.notes: list[str] = []
        self.failures: Callable[[], Sequence[str]] = lambda: ()
        self.collect: Callable[[], list[Json] | None] = lambda: None
        self._flags = {"has_heatmaps": has_heatmaps, "has_predictions": has_predictions}
        self.queues = QueueSet(session)
        self._original_counts = Counter(label for row in session.subject.rows for label in row.labels)

    @functools.cached_property
    def catalog_digest(self) -> str:
        """Of the images with their ids: a page that has another one shows other images."""
        lines = "\n".join(f"{row.sha256} {row.path}" for row in self.session.subject.rows)
        return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()[:16]

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
            "items": [self.item(image, self.queues.proposal(image)) for image in changed.images],
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
            "collect": self.collect(),
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
        predictions = [
            {"label": label, "probability": round(probability, 4)} for label, probability in self.likely(image)
        ]
        return {
            **self.item(image, self.queues.proposal(image)),
            "predictions": predictions,
            "queues": self.queues.containing(image),
        }

    # ---- queues

    def page(self, request: QueueRequest) -> Json | None:
        """Queue: a part of a queue; None if there is no such queue. One that is not there yet is empty."""
        queue = self.queues.get(request.name)
        if queue is None:
            empty: Json = {"name": request.name, "count": 0, "offset": request.offset, "items": []}
            return empty if request.name in QUEUES else None
        if request.ids is not None:
            items = self._listed(queue, request.ids)
            return {"name": request.name, "count": len(items), "offset": 0, "items": items}
        positions = self.queues.positions(queue, request)
        part = positions[request.offset : request.offset + request.limit].tolist()
        items = [self._at(queue, position) for position in part]
        return {"name": request.name, "count": len(positions), "offset": request.offset, "items": items}

    def ids(self, request: QueueRequest) -> list[int] | None:
        """The ids of the images, or groups, of a queue, in order; None if there is no such queue."""
        queue = self.queues.get(request.name)
        if queue is None:
            return [] if request.name in QUEUES else None
        positions = self.queues.positions(queue, request)
        ids: list[int] = (positions if isinstance(queue, GroupQueue) else queue.ids[positions]).tolist()
        return ids

    def _at(self, queue: Queue, position: int) -> Json:
        if isinstance(queue, GroupQueue):
            return self._group(queue, position)
        return self.item(int(queue.ids[position]), queue.entry(position))

    def _listed(self, queue: Queue, ids: Sequence[int]) -> list[Json]:
        if isinstance(queue, GroupQueue):
            return [self._group(queue, position) for position in ids if position < len(queue)]
        known = [image for image in ids if image < len(self.session.subject.rows)]
        return [self.item(image, queue.entry_of(image) or NO_ENTRY) for image in known]

    def _group(self, queue: GroupQueue, position: int) -> Json:
        group = queue.groups[position]
        left = [image for image in group.members if self.session.status[image] != REMOVED]
        return {
            "id": position,
            "reason": group.reason,
            "members": [self.item(image, self.queues.proposal(image)) for image in group.members],
            "keeper": (left or group.members)[0],
            "judged": bool(self.queues.settled(queue)[position]),
        }

    def _queue_states(self) -> Iterator[Json]:
        pending = {name: progress for progress in self.pending() for name in progress.names}
        for name, info in QUEUES.items():
            queue = self.queues.get(name)
            if queue is None and name not in pending:
                continue
            state = {"name": name, "title": info.title, "about": info.about, "kind": info.kind}
            counts: Json = {"count": 0, "judged": 0, "right_in_a_row": 0, "stop": None}
            if isinstance(queue, GroupQueue):
                counts |= {"count": len(queue), "judged": int(self.queues.settled(queue).sum())}
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
        queue = self.queues.get(state["name"])
        return 0 if queue is None else int((self.session.status[self.queues.images(queue)] >= RELABELLED).sum())
