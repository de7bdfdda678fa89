"""Which images are held out of training: stratified, and the same on every machine."""

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
    """The rule by which validation images were drawn: the fraction of the images (0 to 1), and the seed."""

    fraction: float
    seed: int

    def apply(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """The rows with `train` and `valid` drawn anew; `test` rows stay. Identical files fraction a side.

        Raises CatalogError as `hold_out` does.
        """
        drawn = [row for row in rows if row.split != "test"]
        held = hold_out(
            [row.path for row in drawn],
            [row.labels for row in drawn],
            fraction=self.fraction,
            seed=self.seed,
            groups=[row.sha256 or row.path for row in drawn],
        )
        sided = (replace(row, split="valid" if out else "train") for row, out in zip(drawn, held, strict=True))
        return (*sided, *(row for row in rows if row.split == "test"))


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """Images that must stand on one side: their positions, all their labels, and the number they drew."""

    members: tuple[int, ...]
    labels: frozenset[str]
    draw: bytes

    @property
    def size(self) -> int:
        """Number of its images."""
        return len(self.members)


def hold_out(
    keys: Sequence[str],
    labels: Sequence[frozenset[str]],
    *,
    fraction: float,
    seed: int,
    groups: Sequence[str] | None = None,
) -> list[bool]:
    """Whether each image is held out for validation.

    Every image draws the number SHA-256(seed, key), and each class gives its lowest numbers, so the answer depends
    neither on the order of the images nor on the machine, and another image changes little for the others. How many
    a class gives is fraction x its size, rounded by largest remainders (Hamilton's method), so that the total is
    right too; every class keeps an image for training, and a small one may give none.

    An image of several labels counts for the rarest of them, as rare labels suffer most from chance: the first
    step of iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011), taken once. Where every image of a label
    would be held out, one of them returns to training.

    Images of one group (identical files, photos of one scene) are never torn apart: the group draws one number, that
    of its smallest key, and is passed over where it holds more images than its class still has to give. What is
    missing then comes from the smallest groups that were passed over, at most one a class, as long as each brings the
    total nearer to the fraction or nothing is held out yet. One group of every class stays.

    keys    names of the images, unique: relative POSIX paths
    labels  per image, possibly none
    groups  per image, any name of its group; None: each image is its own

    Raises CatalogError when the fraction is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise CatalogError(f"The fraction of validation images is {fraction}: it must be over 0 and under 1.")
    strata: defaultdict[str, list[_Unit]] = defaultdict(list)
    units = _units(keys, labels, seed=seed, groups=keys if groups is None else groups)
    counts = Counter(itertools.chain.from_iterable(labels))
    for unit in units:
        strata[min(unit.labels, key=lambda label: (counts[label], label), default="")].append(unit)
    held = [False] * len(keys)
    for unit in _leaving_every_label(units, _choose(strata, fraction=fraction, seed=seed)):
        for index in unit.members:
            held[index] = True
    return held


def _units(keys: Sequence[str], labels: Sequence[frozenset[str]], *, seed: int, groups: Sequence[str]) -> list[_Unit]:
    """The groups as units, lowest draw first."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    units = [
        _Unit(
            members=tuple(indices),
            labels=frozenset().union(*(labels[index] for index in indices)),
            draw=_draw(seed, min((keys[index] for index in indices), key=_composed)),
        )
        for indices in members.values()
    ]
    return sorted(units, key=lambda unit: unit.draw)


def _composed(key: str) -> str:
    return unicodedata.normalize("NFC", key)  # file systems differ in the form in which they give a name back


def _draw(seed: int, key: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{_composed(key)}".encode(errors="surrogatepass")).digest()


def _choose(strata: Mapping[str, Sequence[_Unit]], *, fraction: float, seed: int) -> list[_Unit]:
    """Of each stratum, whose units stand in the order of their draws, those that fit; then what makes up the total."""
    seats = _seats(
        {name: sum(unit.size for unit in units) for name, units in strata.items()}, fraction=fraction, seed=seed
    )
    chosen: list[_Unit] = []
    further: list[tuple[float, bytes, _Unit]] = []
    for name, units in strata.items():
        free, passed = seats[name], []
        for unit in units:
            if unit.size <= free:
                chosen.append(unit)
                free -= unit.size
            else:
                passed.append(unit)
        if free and len(passed) > 1:  # one must stay
            smallest = min(passed, key=lambda unit: unit.size)
            further.append((-free / smallest.size, _draw(seed, name), smallest))
    missing = sum(seats.values()) - sum(unit.size for unit in chosen)
    for *_, unit in sorted(further, key=lambda entry: entry[:2]):
        if unit.size < 2 * missing or not chosen:
            chosen.append(unit)
            missing -= unit.size
    return chosen


def _seats(sizes: Mapping[str, int], *, fraction: float, seed: int) -> dict[str, int]:
    """How many images each stratum gives: its fraction rounded up or down, by largest remainders, and never all."""
    total = max(1, math.floor(fraction * sum(sizes.values()) + 0.5))
    seats = {stratum: min(math.floor(fraction * size), size - 1) for stratum, size in sizes.items()}
    remainders = {stratum: round(fraction * size - seats[stratum], 9) for stratum, size in sizes.items()}
    left = total - sum(seats.values())
    for stratum in sorted(sizes, key=lambda stratum: (-remainders[stratum], _draw(seed, stratum))):
        if left > 0 and remainders[stratum] > 0 and seats[stratum] < sizes[stratum] - 1:
            seats[stratum] += 1
            left -= 1
    return seats


def _leaving_every_label(units: Sequence[_Unit], chosen: Sequence[_Unit]) -> list[_Unit]:
    """The chosen units without those that a label needs in order to be trained at all."""
    draws = {unit.draw for unit in chosen}
    kept = {label for unit in units if unit.draw not in draws for label in unit.labels}
    held = []
    for unit in sorted(chosen, key=lambda unit: unit.draw, reverse=True):
        if unit.labels <= kept:
            held.append(unit)
        else:
            kept |= unit.labels
    return held
