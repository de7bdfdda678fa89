"""Findings about images that are the same, or nearly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.inputs import first_few
from trainer.checking.findings import Finding, FoundImage, found_image
from trainer.checking.groups import (
    choose_kept,
    joined,
    members,
    near_duplicate_pairs,
    same_bytes,
    same_pixels,
    single_content_classes,
)
from trainer.checking.measures import ONE_COLOUR_SPREAD
from trainer.checking.scan import Scan

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Duplicates:
    """The groups of N images.

    Attributes:
        exact: int64 [N], the group of each image: the same bytes or the same upright pixels.
        near: int64 [N], the group of each image: nearly the same picture, or exactly.
        similar: Positions of each group of similar images.
    """

    exact: Positions
    near: Positions
    similar: Sequence[Positions]


def find_duplicates(found: Scan, *, threads: int, similar: Sequence[Positions] = ()) -> Duplicates:
    """Group the images of a scan.

    Args:
        found: The images.
        threads: Number of images that are decoded again at the same time, to compare their pixels.
        similar: Groups that a network finds similar, each int64 [M].
    """
    by_bytes = same_bytes(found.sha256)
    _, first = np.unique(by_bytes, return_index=True)
    shows_something = np.flatnonzero(found.measured("spread") >= ONE_COLOUR_SPREAD)
    pairs, _ = near_duplicate_pairs(found, np.intersect1d(first, shows_something))
    exact = joined(by_bytes, same_pixels(found, pairs, threads=threads))
    return Duplicates(exact=exact, near=joined(exact, pairs), similar=similar)


def duplicate_findings(found: Scan, duplicates: Duplicates) -> Iterator[Finding]:
    """Yield the findings about duplicates: under two labels, across splits, exact, near, and classes of one image."""
    items = found.images.items
    exact = [group.tolist() for group in members(duplicates.exact)]
    conflicting = [group for group in exact if len({items[place].labels for place in group}) > 1]
    if conflicting:
        yield _finding(
            found,
            "conflicting-labels",
            conflicting,
            f"{_groups(conflicting)} have one content and different labels: {_label_pairs(found, conflicting)}.",
        )
    linked = [group.tolist() for group in members(duplicates.near)]
    across = [group for group in linked if len({items[place].split for place in group}) > 1]
    if across:
        yield _finding(
            found,
            "across-splits",
            across,
            f"{_groups(across)} are in more than one split: {_split_pairs(found, across)}.",
        )
    copies = [group for group in exact if group not in conflicting]
    if copies:
        yield _finding(
            found,
            "exact-duplicates",
            copies,
            f"{_groups(copies)} have the same content; {_surplus(copies)} could be removed.",
        )
    near = list(_near_groups(found, duplicates, linked))
    if near:
        doubtful = [group for group in near if len({items[place].labels for place in group}) > 1]
        doubt = f" {len(doubtful):,} of the groups have different labels: look at them." if doubtful else ""
        surplus = _surplus([group for group in near if group not in doubtful])
        yield _finding(
            found, "near-duplicates", near, f"{_groups(near)} show nearly the same; {surplus} could be removed.{doubt}"
        )
    similar = [group.tolist() for group in duplicates.similar if len(set(duplicates.near[group].tolist())) > 1]
    if similar:
        divided = sum(len({items[place].split for place in group}) > 1 for group in similar)
        more = f" {divided:,} of the groups are in more than one split." if divided else ""
        yield _finding(found, "similar-images", similar, f"{_groups(similar)} show similar things.{more}")
    single = single_content_classes(duplicates.exact, [item.labels for item in items])
    if single:
        yield Finding(
            kind="one-image-class",
            summary=f"{len(single):,} classes have one image only, many times.",
            details=tuple(
                f"The {count:,} images of {label!r} are all the same." for label, count in sorted(single.items())
            ),
        )


def _near_groups(found: Scan, duplicates: Duplicates, linked: Sequence[list[int]]) -> Iterator[list[int]]:
    """Groups of near duplicates: of each exact content only the image that is kept, so that nothing is listed twice."""
    for group in linked:
        contents: dict[int, list[int]] = {}
        for place in group:
            contents.setdefault(int(duplicates.exact[place]), []).append(place)
        if len(contents) > 1:
            yield sorted(choose_kept(found, same) for same in contents.values())


def _finding(found: Scan, kind: str, groups: Sequence[list[int]], summary: str) -> Finding:
    """A finding with the images of each group, the one to keep first.

    If the labels of a group differ, nobody knows which image is right: of the same content none is kept, and of nearly
    the same pictures all. Similar images are different ones: all are kept.
    """
    items, images = found.images.items, list[FoundImage]()
    for number, group in enumerate(groups):
        best = choose_kept(found, group)
        is_doubtful = len({items[place].labels for place in group}) > 1
        for place in [best, *(place for place in group if place != best)]:
            keep = kind == "near-duplicates" if is_doubtful else place == best or kind == "similar-images"
            images.append(found_image(found, place, _describe(found, place), group=number, keep=keep))
    return Finding(kind=kind, summary=summary, images=tuple(images))


def _describe(found: Scan, place: int) -> str:
    if place in found.errors:
        return f"{found.file_bytes[place]:,} bytes"
    width, height = found.sizes[place].tolist()
    return f"{width} x {height} {found.formats[place]}, {found.file_bytes[place]:,} bytes"


def _groups(groups: Sequence[list[int]]) -> str:
    images = sum(map(len, groups))
    return f"{images:,} images in {len(groups):,} {'group' if len(groups) == 1 else 'groups'}"


def _surplus(groups: Sequence[list[int]]) -> str:
    return f"{sum(map(len, groups)) - len(groups):,} of them"


def _label_pairs(found: Scan, groups: Sequence[list[int]]) -> str:
    named = (
        sorted({", ".join(sorted(found.images.items[place].labels)) or "no label" for place in group})
        for group in groups
    )
    return first_few(sorted({" and ".join(map(repr, names)) for names in named}))


def _split_pairs(found: Scan, groups: Sequence[list[int]]) -> str:
    named = (sorted({found.images.items[place].split for place in group}) for group in groups)
    return first_few(sorted({" and ".join(names) for names in named}))
