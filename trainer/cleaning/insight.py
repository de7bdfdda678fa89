"""What the features of images say about their labels, as the page shows it; kept on the disk, as it takes a while."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from trainer.atomic import atomic_open_bytes
from trainer.catalog import Catalog
from trainer.cleaning.queues import Entry, ImageQueue
from trainer.cleaning.suspects import Judgement, Kind, Suspects, find_suspects

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

LIKELY_CLASSES = 9
_FORMAT = 1  # of the file; raise it if suspects are found in another way
_FEWEST_SUSPECTS = 50
_MOST_OFF_TOPIC, _FEWEST_OFF_TOPIC = 0.05, 20
_OFF_TOPIC_DEVIATIONS = 4.0
_LEAST_SURE_FRACTION, _MOST_LEAST_SURE, _FEWEST_LEAST_SURE = 0.05, 1000, 50
_TO_DEVIATION = 1.4826  # of the median absolute deviation, for a normal distribution


@dataclass(frozen=True, kw_only=True, eq=False)
class Insight:
    """What is known about N images.

    Attributes:
        suspects: As in `Judgement`.
        expected: As in `Judgement`.
        likely: int64 [N, L], the L most probable classes of each image, the most probable one first.
        probabilities: float32 [N, L], of these classes, by a head that has not seen the image; NaN if it has no
            features.
    """

    suspects: dict[Kind, Suspects]
    expected: dict[Kind, int]
    likely: IntArray
    probabilities: FloatArray

    @classmethod
    def of(cls, found: Judgement) -> Insight:
        """Keep what the page shows."""
        count = min(LIKELY_CLASSES, found.probabilities.shape[1])
        likely = np.argsort(-found.probabilities, axis=1, kind="stable")[:, :count]
        return cls(
            suspects=found.suspects,
            expected=found.expected,
            likely=likely,
            probabilities=np.take_along_axis(found.probabilities, likely, axis=1),
        )


def find_insight(catalog: Catalog, features: npt.NDArray[np.float16], *, cache: Path) -> Insight:
    """Find suspects, or read them from the file that an earlier call wrote for the same images, labels and features.

    Args:
        catalog: N images.
        features: float16 [N, C].
        cache: The file. If it is damaged or of other images, it is replaced; if it cannot be written, there is none.
    """
    key = _key(catalog, features)
    found = _read(cache, key)
    if found is None:
        judged = find_suspects(
            features,
            catalog.targets(catalog.rows),
            class_count=len(catalog.classes),
            is_train=np.array([row.split == "train" for row in catalog.rows], dtype=np.bool_),
        )
        found = Insight.of(judged)
        _write(cache, key, found)
    return found


def suspect_queues(found: Insight, *, classes: Sequence[str]) -> list[ImageQueue]:
    """The queues of suspects, and the one of the images that heads are least sure about."""
    queues = [_suspect_queue(kind, found, classes) for kind in found.suspects]
    return [*queues, _least_sure(found, classes)] if queues else []


def _suspect_queue(kind: Kind, found: Insight, classes: Sequence[str]) -> ImageQueue:
    suspects, expected = found.suspects[kind], found.expected.get(kind)
    count = max(_FEWEST_SUSPECTS, 2 * (expected or 0))
    if kind == "off-topic":
        count = _off_topic_count(suspects.similarities)

    def entry(position: int) -> Entry:
        reason = suspects.reason(position, classes=classes)
        if kind == "off-topic":
            return Entry(reason=reason)
        proposal = (suspects.labels if kind == "surplus" else suspects.proposals)[position]
        return Entry(reason=reason, proposal=classes[proposal], probability=float(suspects.probabilities[position]))

    return ImageQueue(name=kind, ids=suspects.positions[:count], entry=entry, expected=expected)


def _off_topic_count(similarities: FloatArray) -> int:
    """Those that stand out by far from the others, but some in any case, and never many."""
    median = np.median(similarities)
    deviation = _TO_DEVIATION * np.median(np.abs(similarities - median))
    outliers = int((similarities < median - _OFF_TOPIC_DEVIATIONS * deviation).sum())
    return max(_FEWEST_OFF_TOPIC, min(outliers, round(_MOST_OFF_TOPIC * len(similarities))))


def _least_sure(found: Insight, classes: Sequence[str]) -> ImageQueue:
    """Those whose two most probable classes are about as probable; with one class, those near one half."""
    known = np.flatnonzero(np.isfinite(found.probabilities).all(axis=1))
    probabilities = found.probabilities[known]
    is_multilabel = "missing" in found.suspects
    if is_multilabel:
        nearest = np.abs(probabilities - 0.5).argmin(axis=1)
        margins = np.abs(np.take_along_axis(probabilities, nearest[:, np.newaxis], axis=1)[:, 0] - 0.5)
    else:
        nearest = np.zeros(len(known), dtype=np.int64)
        margins = probabilities[:, 0] - probabilities[:, 1]
    count = min(_MOST_LEAST_SURE, max(_FEWEST_LEAST_SURE, round(_LEAST_SURE_FRACTION * len(known))))
    order = np.argsort(margins, kind="stable")[:count]
    ids = known[order]

    def entry(position: int) -> Entry:
        image = ids[position]
        shown = [nearest[order[position]]] if is_multilabel else [0, 1]
        named = [f"{classes[found.likely[image, rank]]!r} ({found.probabilities[image, rank]:.0%})" for rank in shown]
        return Entry(reason=f"A model that has not seen it is not sure: {' or '.join(named)}.")

    return ImageQueue(name="least-sure", ids=ids, entry=entry)


def _key(catalog: Catalog, features: npt.NDArray[np.float16]) -> str:
    digest = hashlib.sha256(f"{_FORMAT} {features.shape} {catalog.label_delimiter!r}\n".encode())
    for row in catalog.rows:
        digest.update(f"{row.path!r} {row.split} {sorted(row.labels)!r}\n".encode())
    digest.update(np.ascontiguousarray(features).data)
    return digest.hexdigest()


def _write(cache: Path, key: str, found: Insight) -> None:
    arrays: dict[str, Any] = {"key": np.array(key), "likely": found.likely, "probabilities": found.probabilities}
    for kind, suspects in found.suspects.items():
        arrays[f"{kind}/expected"] = np.array(found.expected.get(kind, -1))
        arrays |= {f"{kind}/{name}": getattr(suspects, name) for name in _COLUMNS}
    try:
        with atomic_open_bytes(cache) as file:
            np.savez(file, allow_pickle=False, **arrays)
    except OSError:  # then it is computed again
        return


def _read(cache: Path, key: str) -> Insight | None:
    """What the file holds; None if it is not there, of something else, or damaged."""
    try:
        with open(cache, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["key"]) != key:
                return None
            kinds = cast(list[Kind], [name.removesuffix("/expected") for name in arrays if name.endswith("/expected")])
            expected = {kind: int(arrays[f"{kind}/expected"]) for kind in kinds}
            return Insight(
                suspects={
                    kind: Suspects(kind=kind, **{name: arrays[f"{kind}/{name}"] for name in _COLUMNS}) for kind in kinds
                },
                expected={kind: count for kind, count in expected.items() if count >= 0},
                likely=arrays["likely"],
                probabilities=arrays["probabilities"],
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None


_COLUMNS = tuple(field.name for field in fields(Suspects) if field.name != "kind")
