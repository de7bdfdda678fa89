"""Groups of images that show the same, and which one of each is proposed to stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainer.catalog import Row
from trainer.checking.kinds import KINDS
from trainer.cleaning.queues import Entry, Group, GroupQueue, ImageQueue

if TYPE_CHECKING:  # a check imports what takes a second
    from trainer.checking.findings import CheckResult, FoundImage

_SPLIT_ORDER = ("test", "valid", "train")  # the copy that stays is in the first of these, as for `check`
_GROUPED = ("near-duplicates", "exact-duplicates", "conflicting-labels")  # `check` finds them by pixels, too
_DUPLICATES = (*_GROUPED, "across-splits", "similar-images")


def exact_duplicates(rows: Sequence[Row]) -> GroupQueue:
    """Group files with the same bytes; groups with different labels first, then those in several splits.

    The copy that stays is a test image, or else a validation image: results were compared on those.
    """
    same: defaultdict[str, list[int]] = defaultdict(list)
    for image, row in enumerate(rows):
        if row.sha256:
            same[row.sha256].append(image)
    groups = [
        _group(sorted(images, key=lambda image: (_SPLIT_ORDER.index(rows[image].split), rows[image].path)), rows)
        for images in same.values()
        if len(images) > 1
    ]
    return GroupQueue(name="exact-duplicates", groups=sorted(groups, key=lambda group: _urgency(group, rows)))


def near_duplicates(result: CheckResult, rows: Sequence[Row]) -> GroupQueue:
    """The groups of a check that are not the same bytes; the one that stays is the one that the check proposes."""
    ids = {row.path: image for image, row in enumerate(rows)}
    groups: dict[tuple[int, ...], Group] = {}
    for kind in _GROUPED:
        for images in _groups_of(result.of(kind)):
            of_content: dict[str | None, int] = {}
            for image in images:
                if image.path in ids:
                    of_content.setdefault(image.sha256, ids[image.path])
            if len(of_content) > 1:
                members = tuple(of_content.values())
                groups.setdefault(tuple(sorted(members)), _group(members, rows))
    return GroupQueue(name="near-duplicates", groups=sorted(groups.values(), key=lambda group: _urgency(group, rows)))


def found_by_check(result: CheckResult, rows: Sequence[Row]) -> ImageQueue:
    """The single images of a check, in the order of its kinds; an image is listed once, with everything found."""
    ids = {row.path: image for image, row in enumerate(rows)}
    reasons = found_reasons(result)
    listed = [ids[path] for path in reasons if path in ids]
    texts = ["; ".join(reasons[rows[image].path]) for image in listed]
    return ImageQueue(
        name="check",
        ids=np.array(listed, dtype=np.int64),
        entry=lambda position: Entry(reason=f"{texts[position]}."),
    )


def found_reasons(result: CheckResult) -> Mapping[str, Sequence[str]]:
    """Path of an image -> what the check found about it alone."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for finding in result.findings:
        if finding.kind not in _DUPLICATES and not KINDS[finding.kind].examples:
            for image in finding.images:
                found[image.path].append(f"{finding.title}: {image.detail.rstrip('.')}")
    return found


def _groups_of(images: Sequence[FoundImage]) -> Sequence[list[FoundImage]]:
    groups: defaultdict[int | None, list[FoundImage]] = defaultdict(list)
    for image in images:
        groups[image.group].append(image)
    return list(groups.values())


def _group(images: Sequence[int], rows: Sequence[Row]) -> Group:
    labels = sorted({", ".join(sorted(rows[image].labels)) or "no label" for image in images})
    splits = [split for split in _SPLIT_ORDER if any(rows[image].split == split for image in images)]
    reasons = []
    if len(labels) > 1:
        reasons.append(f"They have different labels: {' and '.join(map(repr, labels))}.")
    if len(splits) > 1:
        reasons.append(f"They are in several splits ({', '.join(splits)}), so results look too good.")
    return Group(members=tuple(images), reason=" ".join(reasons) or "They teach nothing new: one of them is enough.")


def _urgency(group: Group, rows: Sequence[Row]) -> tuple[bool, bool]:
    return (
        len({rows[image].labels for image in group.members}) == 1,
        len({rows[image].split for image in group.members}) == 1,
    )
