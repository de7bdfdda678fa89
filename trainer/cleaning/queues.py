"""Queues: which images a person looks at, in which order, and why. The order never changes in one session."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
QueueKind = Literal["images", "groups"]


@dataclass(frozen=True, kw_only=True)
class QueueInfo:
    """What a queue is, for a person.

    Attributes:
        title: A few words.
        about: One sentence.
        kind: Whether it has single images, or groups of them.
        has_end: Whether the rest is not worth looking at once so many in a row were right.
    """

    title: str
    about: str
    kind: QueueKind = "images"
    has_end: bool = False


# In the order in which they are listed.
QUEUES: Mapping[str, QueueInfo] = {
    "wrong": QueueInfo(
        title="Likely wrong labels",
        about="Their label is probably wrong; the most suspect first.",
        has_end=True,
    ),
    "missing": QueueInfo(
        title="Likely missing labels",
        about="They probably lack a label; the most suspect first.",
        has_end=True,
    ),
    "surplus": QueueInfo(
        title="Likely surplus labels",
        about="They probably have a label too many; the most suspect first.",
        has_end=True,
    ),
    "off-topic": QueueInfo(
        title="Off-topic",
        about="They are unlike all other images, so they may show none of the classes.",
        has_end=True,
    ),
    "exact-duplicates": QueueInfo(
        title="Exact duplicates",
        about="The same bytes several times. Those with different labels come first.",
        kind="groups",
    ),
    "near-duplicates": QueueInfo(
        title="Near duplicates",
        about="Nearly the same picture: saved again, resized, or taken again at once.",
        kind="groups",
    ),
    "top-losses": QueueInfo(
        title="Top losses",
        about="Validation images on which the trained model is most wrong.",
        has_end=True,
    ),
    "least-sure": QueueInfo(
        title="Least sure",
        about="A model that has not seen them is least sure what they show.",
        has_end=True,
    ),
    "check": QueueInfo(
        title="Found by check",
        about="They stand out from the others: blurred, dark, small, of one colour and so on.",
    ),
    "everything": QueueInfo(title="All images", about="Every image, sorted by path."),
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Why an image is in a queue.

    Attributes:
        reason: A sentence; None: there is no more to say than the queue says.
        proposal: The label that is proposed: instead of its own, or to add; in `surplus` the one to remove.
        probability: That the proposal is right, 0 to 1.
    """

    reason: str | None = None
    proposal: str | None = None
    probability: float | None = None


NO_ENTRY = Entry()


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageQueue:
    """Images in order.

    Attributes:
        name: A key of `QUEUES`.
        ids: int64 [M], of the images.
        entry: Gives why the image at a position is in it.
        expected: Estimate of how many of all images are wrong; None if there is none.
    """

    name: str
    ids: IntArray
    entry: Callable[[int], Entry] = lambda _: NO_ENTRY
    expected: int | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def entry_of(self, image: int) -> Entry | None:
        """Why this image is in the queue; None if it is not."""
        position = self._positions.get(image)
        return None if position is None else self.entry(position)

    @functools.cached_property
    def _positions(self) -> dict[int, int]:
        return {image: position for position, image in enumerate(self.ids.tolist())}


@dataclass(frozen=True, kw_only=True)
class Group:
    """Images that show the same.

    Attributes:
        members: Their ids, the one that is proposed to stay first.
        reason: A sentence.
    """

    members: tuple[int, ...]
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupQueue:
    """Groups in order.

    Attributes:
        name: A key of `QUEUES`.
        groups: The groups.
    """

    name: str
    groups: Sequence[Group]

    def __len__(self) -> int:
        return len(self.groups)

    @functools.cached_property
    def groups_of(self) -> Mapping[int, Sequence[int]]:
        """Image -> positions of the groups that it is in."""
        found: dict[int, list[int]] = {}
        for position, group in enumerate(self.groups):
            for image in group.members:
                found.setdefault(image, []).append(position)
        return found


Queue = ImageQueue | GroupQueue


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Queues that are still being worked out.

    Attributes:
        names: Of the queues.
        step: What is done now.
        fraction: How much of it is done, 0 to 1.
    """

    names: tuple[str, ...]
    step: str
    fraction: float = field(default=0.0)
