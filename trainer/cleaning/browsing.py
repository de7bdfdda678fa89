"""The queues of a session: which part of one is asked for, and what of it was decided."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.cleaning.queues import NO_ENTRY, Entry, GroupQueue, ImageQueue, Queue
from trainer.cleaning.session import NONE, Session

IntArray = npt.NDArray[np.int64]

EVERYTHING = "everything"
_PROPOSING = ("wrong", "missing", "surplus", "top-losses")  # whose entry an image has outside of a queue
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


class QueueSet:
    """The queues that are there so far. The session's lock protects them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        ids = np.arange(len(session.subject.rows), dtype=np.int64)
        self._queues: dict[str, Queue] = {EVERYTHING: ImageQueue(name=EVERYTHING, ids=ids)}
        self._settled: dict[str, npt.NDArray[np.bool_]] = {}
        self._found: dict[Hashable, IntArray] = {}  # what was searched for last
        session.on_change = self._on_change

    def add(self, queues: Iterable[Queue]) -> None:
        """Add queues that are not empty. One of the same name stays as it is: the order never changes."""
        with self._session.locked():
            for queue in queues:
                if not len(queue) or queue.name in self._queues:
                    continue
                self._queues[queue.name] = queue
                if isinstance(queue, GroupQueue):
                    settled = [self._session.is_settled(group.members) for group in queue.groups]
                    self._settled[queue.name] = np.array(settled, dtype=np.bool_)
            self._session.version += 1

    def get(self, name: str) -> Queue | None:
        """The queue of this name; None if there is none, or not yet. `class` is all images."""
        return self._queues.get(EVERYTHING if name == "class" else name)

    def settled(self, queue: GroupQueue) -> npt.NDArray[np.bool_]:
        """Bool [M], about which groups nothing is left to decide; see `Session.is_settled`."""
        return self._settled[queue.name]

    def images(self, queue: Queue) -> IntArray:
        """All images that are in a queue."""
        if isinstance(queue, ImageQueue):
            return queue.ids
        return np.array(sorted(queue.groups_of), dtype=np.int64)

    def positions(self, queue: Queue, request: QueueRequest) -> IntArray:
        """The positions in a queue that a request is about, rising: all of them, without offset and limit."""
        if isinstance(queue, GroupQueue):
            return np.array(self._groups(queue, request), dtype=np.int64)
        positions = np.arange(len(queue.ids), dtype=np.int64)
        if request.hide_judged:
            positions = positions[self._session.status[queue.ids] == NONE]
        if not request.search and not request.label:
            return positions
        version = self._session.version if request.label or request.hide_judged else None
        key = (queue.name, request.search, request.label, request.hide_judged, version)
        if key not in self._found:  # a page of a list that is scrolled through asks for the same again and again
            matching = [self._matches(image, request) for image in queue.ids[positions].tolist()]
            self._found = dict([*self._found.items()][1 - _REMEMBERED_SEARCHES :])
            self._found[key] = positions[np.array(matching, dtype=np.bool_)]
        return self._found[key]

    def containing(self, image: int) -> list[str]:
        """Names of the queues that an image is in, but the one of all images."""
        return [name for name, queue in self._queues.items() if name != EVERYTHING and _has(queue, image)]

    def proposal(self, image: int) -> Entry:
        """What is proposed for an image, whichever queue it is looked at in."""
        for name in _PROPOSING:
            queue = self._queues.get(name)
            found = queue.entry_of(image) if isinstance(queue, ImageQueue) else None
            if found is not None:
                return found
        return NO_ENTRY

    def _groups(self, queue: GroupQueue, request: QueueRequest) -> Sequence[int]:
        settled = self._settled[queue.name]
        return [
            position
            for position, group in enumerate(queue.groups)
            if not (request.hide_judged and settled[position])
            and any(self._matches(image, request) for image in group.members)
        ]

    def _matches(self, image: int, request: QueueRequest) -> bool:
        if request.search and request.search.casefold() not in self._folded_paths[image]:
            return False
        if not request.label:
            return True
        return request.label in self._session.subject.rows[image].labels or request.label in self._session.labels(image)

    def _on_change(self, images: Iterable[int]) -> None:
        for name, settled in self._settled.items():
            queue = self._queues[name]
            if isinstance(queue, GroupQueue):
                for position in {position for image in images for position in queue.groups_of.get(image, ())}:
                    settled[position] = self._session.is_settled(queue.groups[position].members)

    @functools.cached_property
    def _folded_paths(self) -> list[str]:
        return [row.path.casefold() for row in self._session.subject.rows]


def _has(queue: Queue, image: int) -> bool:
    return image in queue.groups_of if isinstance(queue, GroupQueue) else queue.entry_of(image) is not None
