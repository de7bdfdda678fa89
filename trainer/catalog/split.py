"""Which images are held out for validation: stratified by class, and the same on every machine."""

from __future__ import annotations

import hashlib
import itertools
import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trainer.catalog.row import Row
from trainer.errors import CatalogError


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """The rule by which validation images are drawn.

    Attributes:
        fraction: Fraction of the images to hold out, 0 to 1.
        seed: Another seed draws other images.
    """

    fraction: float
    seed: int

    def apply(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Draw `train` and `valid` again. `test` rows stay; identical files (by `sha256`) and groups share a split.

        If all images of every class are identical, identical files are divided, since nothing could be held out.

        Raises:
            CatalogError: See `hold_out`.
        """
        drawn = [row for row in rows if row.split != "test"]
        held = self._hold_out(drawn, _linked_groups(drawn))
        if not any(held):  # every class is one picture in identical files, or one group
            held = self._hold_out(drawn, [row.group or row.path for row in drawn])
        split = (replace(row, split="valid" if out else "train") for row, out in zip(drawn, held, strict=True))
        return (*split, *(row for row in rows if row.split == "test"))

    def _hold_out(self, rows: Sequence[Row], groups: Sequence[str]) -> list[bool]:
        return hold_out(
            [row.path for row in rows],
            [row.labels for row in rows],
            fraction=self.fraction,
            seed=self.seed,
            groups=groups,
        )


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Images that must share a split.

    Attributes:
        members: Positions of the images.
        labels: All of their labels.
        draw: The number that the group draws; the lowest are held out first.
    """

    members: tuple[int, ...]
    labels: frozenset[str]
    draw: bytes

    @property
    def size(self) -> int:
        """Number of images."""
        return len(self.members)


def hold_out(
    keys: Sequence[str],
    labels: Sequence[frozenset[str]],
    *,
    fraction: float,
    seed: int,
    groups: Sequence[str] | None = None,
) -> list[bool]:
    """Draw the images to hold out for validation, stratified by class.

    Every image draws the number SHA-256(seed, key), and each class gives the images with its lowest numbers. So the
    result depends neither on the order of the images nor on the machine, and adding an image changes few others. A
    class gives fraction x its size, rounded by largest remainders (Hamilton's method), so that the total is right too.
    Every class keeps an image for training; a small class may give none.

    An image with several labels counts for the rarest of them, because rare labels suffer most from chance: the first
    step of iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011), done once. If all images of a label would
    be held out, one of them returns to training.

    A group of images (identical files, photos of one scene) is never split. The group draws one number, that of its
    smallest key. It is skipped if it has more images than its class still has to give. The missing images then come
    from the smallest of the skipped groups, at most one of each class, as long as each brings the total nearer to the
    fraction or nothing is held out yet. Every class keeps at least one group for training.

    Args:
        keys: Unique name of each image: its relative POSIX path.
        labels: Labels of each image, possibly none.
        fraction: Fraction of the images to hold out, more than 0 and less than 1.
        seed: Another seed draws other images.
        groups: Name of each image's group; None: every image is a group of its own.

    Returns:
        Whether each image is held out, in the order of `keys`.

    Raises:
        CatalogError: The fraction is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise CatalogError(f"The fraction of validation images is {fraction}; it must be more than 0 and less than 1.")
    strata: defaultdict[str, list[_Group]] = defaultdict(list)
    drawn = _draw_groups(keys, labels, seed=seed, groups=keys if groups is None else groups)
    counts = Counter(itertools.chain.from_iterable(labels))
    for group in drawn:
        strata[min(group.labels, key=lambda label: (counts[label], label), default="")].append(group)
    held = [False] * len(keys)
    for group in _without_last_of_a_label(drawn, _choose(strata, fraction=fraction, seed=seed)):
        for index in group.members:
            held[index] = True
    return held


def _linked_groups(rows: Sequence[Row]) -> list[str]:
    """Name the group of each row: rows with the same content or the same `group` are in one, also through others."""
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        while parents.setdefault(key, key) != key:
            parents[key] = key = parents[parents[key]]
        return key

    own = [("sha256", row.sha256) if row.sha256 else ("path", row.path) for row in rows]
    for row, key in zip(rows, own, strict=True):
        if row.group:
            parents[root(key)] = root(("group", row.group))
    return [" ".join(root(key)) for key in own]


def _draw_groups(
    keys: Sequence[str], labels: Sequence[frozenset[str]], *, seed: int, groups: Sequence[str]
) -> list[_Group]:
    """Gather the images of each group, and sort the groups by the numbers that they draw."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(groups):
        members[name].append(index)
    drawn = [
        _Group(
            members=tuple(indices),
            labels=frozenset().union(*(labels[index] for index in indices)),
            draw=_draw(seed, min((keys[index] for index in indices), key=_composed)),
        )
        for indices in members.values()
    ]
    return sorted(drawn, key=lambda group: group.draw)


def _composed(key: str) -> str:
    return unicodedata.normalize("NFC", key)  # file systems differ in the Unicode form of the names that they return


def _draw(seed: int, key: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{_composed(key)}".encode(errors="surrogatepass")).digest()


def _choose(strata: Mapping[str, Sequence[_Group]], *, fraction: float, seed: int) -> list[_Group]:
    """Choose the groups to hold out: those that fit into the quota of their stratum, then others to reach the total.

    Args:
        strata: The groups of each stratum, lowest draw first.
        fraction: See `hold_out`.
        seed: See `hold_out`.
    """
    sizes = {name: sum(group.size for group in groups) for name, groups in strata.items()}
    quotas = _quotas(sizes, fraction=fraction, seed=seed)
    chosen: list[_Group] = []
    further: list[tuple[float, bytes, _Group]] = []
    for name, groups in strata.items():
        free, skipped = quotas[name], []
        for group in groups:
            if group.size <= free:
                chosen.append(group)
                free -= group.size
            else:
                skipped.append(group)
        if free and len(skipped) > 1:  # one must stay in training
            smallest = min(skipped, key=lambda group: group.size)
            further.append((-free / smallest.size, _draw(seed, name), smallest))
    missing = sum(quotas.values()) - sum(group.size for group in chosen)
    for *_, group in sorted(further, key=lambda entry: entry[:2]):
        if group.size < 2 * missing or not chosen:
            chosen.append(group)
            missing -= group.size
    return chosen


def _quotas(sizes: Mapping[str, int], *, fraction: float, seed: int) -> dict[str, int]:
    """Return how many images each stratum gives: its fraction, rounded by largest remainders, but never all of them."""
    total = max(1, math.floor(fraction * sum(sizes.values()) + 0.5))
    quotas = {stratum: min(math.floor(fraction * size), size - 1) for stratum, size in sizes.items()}
    remainders = {stratum: round(fraction * size - quotas[stratum], 9) for stratum, size in sizes.items()}
    left = total - sum(quotas.values())
    for stratum in sorted(sizes, key=lambda stratum: (-remainders[stratum], _draw(seed, stratum))):
        if left > 0 and remainders[stratum] > 0 and quotas[stratum] < sizes[stratum] - 1:
            quotas[stratum] += 1
            left -= 1
    return quotas


def _without_last_of_a_label(groups: Sequence[_Group], chosen: Sequence[_Group]) -> list[_Group]:
    """Return the chosen groups without those that training needs, because it would lose a label."""
    draws = {group.draw for group in chosen}
    kept = {label for group in groups if group.draw not in draws for label in group.labels}
    held = []
    for group in sorted(chosen, key=lambda group: group.draw, reverse=True):
        if group.labels <= kept:
            held.append(group)
        else:
            kept |= group.labels
    return held
