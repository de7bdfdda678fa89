"""Suspects: the images whose labels are probably wrong, and those that show none of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from trainer.cleaning.heads import HeadSignals, Labelled, divide_into_folds, judge_by_heads, label_margins
from trainer.cleaning.neighbours import Neighbours, find_neighbours
from trainer.diagnosis.near_duplicates import NEAR_DUPLICATE_SIMILARITY, near_duplicate_groups, whiten

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Targets = npt.NDArray[Any]  # int64 [N], or float32 [N, K] of 0 and 1 for several labels an image
Kind = Literal["wrong", "missing", "surplus", "off-topic"]

_FEWEST_IMAGES = 3
_MOST_IN_A_GROUP = 0.05  # of the images
_SIMILARITIES = (NEAR_DUPLICATE_SIMILARITY, 0.85, 0.95, 0.99)
_OFF_TOPIC_NEIGHBOURS = 5
_LOWEST_PROBABILITY = 1e-6
_LOWEST_VOTE = 1e-3
_NO_LABEL = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Suspects:
    """Images of one kind, the most suspect first. M is their number.

    Attributes:
        kind: `wrong`: the label should be another one. `missing`: a label should be added; multilabel. `surplus`: one
            should be removed; multilabel. `off-topic`: the image is far from every class.
        positions: int64 [M], of the images among the features.
        scores: float32 [M], 1 for the most suspect one, falling to 0; they say nothing about how many are wrong.
        labels: int64 [M], what is suspect: the image's label, or the surplus one; -1 if it is none of its labels.
        proposals: int64 [M], the label that is proposed instead; -1 if none is.
        probabilities: float32 [M], that the proposal is right, for `surplus` that the label is wrong: by a head that
            has not seen the image.
        votes: float32 [M], 0 to 1, how much of the image's neighbours has the proposal, for `surplus` not the label.
        similarities: float32 [M], of the nearest images, the mean; see `near_duplicates.whiten`.
    """

    kind: Kind
    positions: IntArray
    scores: FloatArray
    labels: IntArray
    proposals: IntArray
    probabilities: FloatArray
    votes: FloatArray
    similarities: FloatArray

    def __len__(self) -> int:
        return len(self.positions)

    def reason(self, number: int, *, classes: Sequence[str]) -> str:
        """Return why the suspect of this number, from 0, is one: a sentence."""
        if self.kind == "off-topic":
            similarity = f"{self.similarities[number]:.2f}"
            return f"It is unlike the images of every class: the most similar ones have a similarity of {similarity}."
        percent, votes = f"{self.probabilities[number]:.0%}", f"{self.votes[number]:.0%} of similar images"
        label, proposal = classes[self.labels[number]], classes[self.proposals[number]]
        if self.kind == "surplus":
            return f"A model that has not seen it finds no {label!r} ({percent}); {votes} do not have this label."
        other = f", not {label!r}" if self.kind == "wrong" else ""
        return f"A model that has not seen it says {proposal!r}{other} ({percent}); {votes} are {proposal!r}."


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """What is found among N images.

    Attributes:
        suspects: Classification: `wrong` and `off-topic`; multilabel: `missing`, `surplus` and `off-topic`. Every image
            that can be judged is in each list, for `surplus` every one with a label, for `missing` every one that lacks
            a label.
        expected: How many labels are wrong, by confident learning: an estimate for where to stop. Of each kind in
            `suspects` but `off-topic`.
        groups: int64 [N], near duplicates; -1 for an image without features.
        probabilities: float32 [N, K], of each class by a head that has not seen the image; NaN without features.
    """

    suspects: dict[Kind, Suspects]
    expected: dict[Kind, int]
    groups: IntArray
    probabilities: FloatArray


def find_suspects(
    features: npt.NDArray[np.floating[Any]],
    targets: Targets,
    *,
    class_count: int,
    is_train: npt.NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> Judgement:
    """Find images whose labels are probably wrong, and images that are off-topic.

    Wrong labels are ranked by two signs: how late heads learn the label, and how many of the most similar images have
    it that are no near duplicates (Groeger et al. 2023, "Intrinsic Self-Supervision for Data Quality Audits",
    arXiv:2305.17048). Each is a margin between the label and the best other one; they are divided by their standard
    deviations and added. What a head says that has not seen the image decides what is proposed. As a third sign it did
    not pay: `tests/benchmarks/label_noise.py` measures each of them. For several labels an image it takes the place of
    the first sign.

    Validation and test images are judged by heads that have seen neither them nor near duplicates of them.

    An image is not judged if its features are not finite, or if no training image of another fold has its label.
    Memory: 1.5 KB and K x 8 bytes an image, and blocks of up to 100 MB.

    Args:
        features: [N, C], of images of all splits, by one frozen network.
        targets: int64 [N] indices of the labels, or for multilabel float32 [N, K] of 0 and 1.
        class_count: K.
        is_train: bool [N], the training images; None: all are.
        seed: Of the division into folds and of the training of the heads.
    """
    finite = np.array([np.isfinite(row).all() for row in features], dtype=np.bool_)
    known = np.flatnonzero(finite)
    groups = np.full(len(features), -1, dtype=np.int64)
    probabilities = np.full((len(features), class_count), np.nan, dtype=np.float32)
    if len(known) < _FEWEST_IMAGES:
        return Judgement(suspects={}, expected={}, groups=groups, probabilities=probabilities)
    found = np.asarray(features if finite.all() else features[known])
    groups[known] = _small_groups(found)
    images = Labelled(
        units=whiten(found),
        targets=targets[known],
        is_train=np.ones(len(known), dtype=np.bool_) if is_train is None else is_train[known],
        folds=divide_into_folds(groups[known], targets[known], seed=seed),
        class_count=class_count,
    )
    heads = judge_by_heads(images, seed=seed)
    probabilities[known] = heads.probabilities
    neighbours = find_neighbours(images.units, groups[known], seed=seed)
    signs = _Signs(images=images, heads=heads, neighbours=neighbours, positions=known)
    suspects = [signs.missing(), signs.surplus()] if images.is_multilabel else [signs.wrong()]
    return Judgement(
        suspects={each.kind: each for each in (*suspects, signs.off_topic())},
        expected={each.kind: signs.expected(each) for each in suspects},
        groups=groups,
        probabilities=probabilities,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Signs:
    """Everything that is known about M images with features."""

    images: Labelled
    heads: HeadSignals
    neighbours: Neighbours
    positions: IntArray

    def wrong(self) -> Suspects:
        targets = np.asarray(self.images.targets, dtype=np.int64)
        probabilities, rows = self.heads.probabilities, np.arange(len(targets))
        others = probabilities.copy()
        others[rows, targets] = -1
        proposals = others.argmax(axis=1)
        neighbour_margins, votes = self._neighbour_margins(targets, proposals)
        return self._ranked(
            "wrong",
            combine(self._head_margins(), neighbour_margins),
            labels=targets,
            proposals=proposals,
            probabilities=probabilities[rows, proposals],
            votes=votes,
            judged=_is_elsewhere(self.images),
        )

    def missing(self) -> Suspects:
        """The label that each image most probably lacks."""
        has = self.images.targets > 0
        candidates = np.where(has, -1, self.heads.probabilities)
        return self._labels("missing", candidates.argmax(axis=1), judged=np.asarray(~has.all(axis=1)))

    def surplus(self) -> Suspects:
        """The label of each image that it most probably should not have."""
        has = self.images.targets > 0
        candidates = np.where(has, self.heads.probabilities, 2)
        return self._labels("surplus", candidates.argmin(axis=1), judged=np.asarray(has.any(axis=1)))

    def off_topic(self) -> Suspects:
        labels = np.full(len(self.positions), _NO_LABEL, dtype=np.int64)
        nothing = np.zeros(len(self.positions), dtype=np.float32)
        return self._ranked(
            "off-topic",
            self._similarities(),
            labels=labels,
            proposals=labels,
            probabilities=nothing,
            votes=nothing,
            judged=np.ones(len(labels), dtype=np.bool_),
        )

    def expected(self, suspects: Suspects) -> int:
        """How many of them are wrong: another class is as probable as it is, on average, for images that have it.

        Confident learning (Northcutt, Jiang and Chuang 2021), here of one kind of suspects.
        """
        probabilities = self.heads.probabilities
        targets = np.asarray(self.images.targets)
        has = np.eye(probabilities.shape[1], dtype=np.bool_)[targets] if targets.ndim == 1 else targets > 0
        yes = _class_means(probabilities, has)
        rows = np.searchsorted(self.positions, suspects.positions)
        if suspects.kind == "surplus":
            no = _class_means(1 - probabilities, ~has)
            return int((suspects.probabilities >= no[suspects.labels]).sum())
        reached = probabilities[rows] >= yes
        own = reached[np.arange(len(rows)), suspects.labels] if suspects.kind == "wrong" else np.zeros(len(rows), bool)
        return int((reached[np.arange(len(rows)), suspects.proposals] & ~own).sum())

    def _labels(self, kind: Kind, labels: IntArray, *, judged: npt.NDArray[np.bool_]) -> Suspects:
        rows = np.arange(len(labels))
        probabilities = self.heads.probabilities[rows, labels]
        votes = np.empty(len(labels), dtype=np.float32)
        targets = np.asarray(self.images.targets, dtype=np.float32)
        for part, found in self.neighbours.votes(targets, class_count=targets.shape[1]):
            votes[part] = found[np.arange(len(found)), labels[part]]
        nowhere = np.full(len(labels), _NO_LABEL, dtype=np.int64)
        if kind == "surplus":
            probabilities, votes = 1 - probabilities, 1 - votes
        return self._ranked(
            kind,
            combine(-_log_odds(probabilities, _LOWEST_PROBABILITY), -_log_odds(votes, _LOWEST_VOTE)),
            labels=labels if kind == "surplus" else nowhere,
            proposals=nowhere if kind == "surplus" else labels,
            probabilities=probabilities,
            votes=votes,
            judged=judged,
        )

    def _head_margins(self) -> FloatArray:
        """Those of images that heads learned are higher: both kinds are centred at their median."""
        margins = self.heads.margins.copy()
        for part in (self.images.is_train, ~self.images.is_train):
            margins[part] -= np.median(margins[part]) if part.any() else 0
        return margins

    def _neighbour_margins(self, targets: IntArray, proposals: IntArray) -> tuple[FloatArray, FloatArray]:
        margins, votes = (np.empty(len(targets), dtype=np.float32) for _ in range(2))
        for rows, found in self.neighbours.votes(targets, class_count=self.heads.probabilities.shape[1]):
            margins[rows] = label_margins(np.log(found + _LOWEST_VOTE), targets[rows])
            votes[rows] = found[np.arange(len(found)), proposals[rows]]
        return margins, votes

    def _similarities(self) -> FloatArray:
        nearest = self.neighbours.similarities[:, :_OFF_TOPIC_NEIGHBOURS]
        found = np.isfinite(nearest)
        sums = np.where(found, nearest, 0).sum(axis=1)
        return np.asarray(sums / np.maximum(found.sum(axis=1), 1), dtype=np.float32)

    def _ranked(
        self,
        kind: Kind,
        margins: FloatArray,
        *,
        judged: npt.NDArray[np.bool_],
        **columns: npt.NDArray[Any],
    ) -> Suspects:
        """The judged images, those with the lowest margin first."""
        order = np.argsort(np.where(judged, margins, np.inf), kind="stable")[: judged.sum()]
        return Suspects(
            kind=kind,
            positions=self.positions[order],
            scores=np.linspace(1, 0, len(order), dtype=np.float32),
            similarities=self._similarities()[order],
            **{name: column[order] for name, column in columns.items()},
        )


def combine(*margins: FloatArray) -> FloatArray:
    """Add margins, each divided by its standard deviation."""
    return np.asarray(sum(each / max(float(each.std()), 1e-6) for each in margins), dtype=np.float32)


def _small_groups(features: npt.NDArray[np.floating[Any]]) -> IntArray:
    """Near duplicates. If a whole class looked alike, no head could judge it: then images must be more similar."""
    most = max(2, _MOST_IN_A_GROUP * len(features))
    for similarity in _SIMILARITIES:
        groups = near_duplicate_groups(features, threshold=similarity)
        if np.bincount(groups).max() <= most:
            return groups
    return np.arange(len(features), dtype=np.int64)


def _is_elsewhere(images: Labelled) -> npt.NDArray[np.bool_]:
    """Whether the label of each image is on a training image of another fold, so that a head could learn it."""
    targets = np.asarray(images.targets, dtype=np.int64)
    counts = np.zeros((images.class_count, int(images.folds.max()) + 1), dtype=np.int64)
    np.add.at(counts, (targets[images.is_train], images.folds[images.is_train]), 1)
    return np.asarray(counts[targets].sum(axis=1) > counts[targets, images.folds])


def _class_means(values: FloatArray, has: npt.NDArray[np.bool_]) -> FloatArray:
    """The mean of each class over its images: [N, K] -> [K]; infinite without any."""
    counts = has.sum(axis=0)
    sums = np.where(has, values, 0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf).astype(np.float32)


def _log_odds(probabilities: FloatArray, lowest: float) -> FloatArray:
    clipped = np.clip(probabilities, lowest, 1 - lowest)
    return np.asarray(np.log(clipped / (1 - clipped)))
