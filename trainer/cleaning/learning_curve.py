"""How much heads recognize that learned parts of the training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.cleaning.heads import Head, Labelled, split, train_head
from trainer.diagnosis.near_duplicates import near_duplicate_groups

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Targets = npt.NDArray[Any]  # int64 [N], or float32 [N, K] of 0 and 1 for several labels an image

_MOST_SAMPLED = 20_000  # training images of which parts are learned
_MOST_ROUNDS, _FEWEST_ROUNDS = 8, 2
_QUICK_WORK = 300_000  # images x classes for which the most rounds take seconds
_OWN_HEADS = 4  # of a round: each learns half of the images of other classes
_HALVED = 0.25  # fraction of the labels whose images such a head learns half of
_EVALUATED_ROWS = 8192


@dataclass(frozen=True, kw_only=True, eq=False)
class ValidLabels:
    """The P labels of the validation images, each with its image.

    Attributes:
        valid: int64 [V], positions of the validation images.
        images: int64 [P], which of these.
        classes: int64 [P].
        groups: int64 [P], of near duplicates: what is drawn again for an interval.
        counts: int64 [K], how many there are of each class.
    """

    valid: IntArray
    images: IntArray
    classes: IntArray
    groups: IntArray
    counts: IntArray

    @classmethod
    def of(cls, images: Labelled, valid: IntArray, groups: IntArray) -> ValidLabels:
        """Of the images at `valid`, int64 [V], whose near duplicates are in `groups`, int64 [V]."""
        targets = np.asarray(images.targets[valid])
        rows, classes = np.nonzero(targets > 0) if images.is_multilabel else (np.arange(len(valid)), targets)
        return cls(
            valid=valid,
            images=rows.astype(np.int64),
            classes=classes.astype(np.int64),
            groups=groups[rows],
            counts=np.bincount(classes, minlength=images.class_count),
        )

    def among(self, predicted: Targets) -> FloatArray:
        """Which of the labels are predicted, float32 [P] of 0 and 1: by [V], or for multilabel [V, K]."""
        if predicted.ndim == 1:
            return np.asarray(predicted == self.classes, dtype=np.float32)
        return np.asarray(predicted[self.images, self.classes] > 0, dtype=np.float32)

    def recognized(self, head: Head, images: Labelled) -> FloatArray:
        """Which of the labels a head recognizes, float32 [P] of 0 and 1."""
        scores = np.concatenate([head.logits(images.units[part]) for part in split(self.valid, _EVALUATED_ROWS)])
        if not images.is_multilabel:
            return self.among(scores.argmax(axis=1))
        ranks = np.argsort(np.argsort(-scores, axis=0, kind="stable"), axis=0)
        return np.asarray(ranks[self.images, self.classes] < self.counts[self.classes], dtype=np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """Training images that are divided, M of them.

    Attributes:
        positions: int64 [M].
        has: bool [M, K], their labels.
        groups: int64 [M], near duplicates.
    """

    positions: IntArray
    has: BoolArray
    groups: IntArray

    @classmethod
    def of(cls, images: Labelled, positions: IntArray, groups: IntArray) -> Parts:
        """Of the images at `positions`, int64 [M], whose near duplicates are in `groups`, int64 [M]."""
        targets = np.asarray(images.targets[positions])
        has = targets > 0 if images.is_multilabel else np.eye(images.class_count, dtype=np.bool_)[targets]
        return cls(positions=positions, has=has, groups=groups)

    def take(self, fractions: npt.NDArray[np.float64], random: np.random.Generator) -> IntArray:
        """Take a fraction of the images of each class, float64 [K], at least one; of several labels the least counts.

        In a random order of the groups, so that near duplicates are taken or left together.
        """
        order = np.argsort(random.random(int(self.groups.max()) + 1)[self.groups], kind="stable")
        has = self.has[order]
        wanted = np.maximum(1, np.round(fractions * has.sum(axis=0)))
        is_wanted = np.cumsum(has, axis=0, dtype=np.int32) <= wanted
        taken: IntArray = self.positions[order[(is_wanted | ~has).all(axis=1)]]
        return taken


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """Which labels were recognized, [R, P] each: R rounds, 0 to 1.

    Attributes:
        quarter: With a quarter of the images of every class.
        half: With half of them.
        whole: With all that are divided.
        halved: With half of the images of its class, and all of most others; NaN if that never happened.
        now: With all training images.
    """

    quarter: FloatArray
    half: FloatArray
    whole: FloatArray
    halved: FloatArray
    now: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class LearningCurve:
    """Heads that learn parts of the training images.

    Attributes:
        images: All images.
        train: int64 [T], positions of the training images.
        labels: Of the validation images.
        parts: What is divided: of more than 20,000 training images a random part.
    """

    images: Labelled
    train: IntArray
    labels: ValidLabels
    parts: Parts

    @classmethod
    def of(
        cls,
        images: Labelled,
        features: npt.NDArray[np.floating[Any]],
        *,
        train: IntArray,
        valid: IntArray,
        seed: int,
    ) -> LearningCurve:
        """Find near duplicates among the training images, and among the validation images.

        Args:
            images: All images, N of them.
            features: [N, C], of these.
            train: int64 [T], positions of the training images.
            valid: int64 [V], positions of the validation images.
            seed: Of the part that is divided.
        """
        sampled = np.sort(np.random.default_rng(seed).permutation(train)[:_MOST_SAMPLED])
        return cls(
            images=images,
            train=train,
            labels=ValidLabels.of(images, valid, near_duplicate_groups(features[valid])),
            parts=Parts.of(images, sampled, near_duplicate_groups(features[sampled])),
        )

    @property
    def train_counts(self) -> IntArray:
        """int64 [K], how many training images each class has."""
        targets = np.asarray(self.images.targets[self.train])
        if targets.ndim == 2:
            return np.asarray((targets > 0).sum(axis=0), dtype=np.int64)
        return np.bincount(targets, minlength=self.images.class_count)

    def measure(self, *, seed: int) -> Measured:
        """Train the heads of every round."""
        work = len(self.parts.positions) * self.images.class_count
        rounds = int(np.clip(_MOST_ROUNDS * _QUICK_WORK // work, _FEWEST_ROUNDS, _MOST_ROUNDS))
        found: dict[str, list[FloatArray]] = {"quarter": [], "half": [], "whole": [], "halved": []}
        ones = np.ones(self.images.class_count)
        for number in range(rounds):
            random = np.random.default_rng((seed, number))
            for name, fraction in (("quarter", 0.25), ("half", 0.5), ("whole", 1.0)):
                found[name].append(self._recognized(self.parts.take(fraction * ones, random), random))
            found["halved"].append(self._recognized_if_halved(random))
        arrays = {name: np.stack(rows) for name, rows in found.items()}
        now = arrays["whole"]
        if len(self.parts.positions) < len(self.train):
            now = np.broadcast_to(self._recognized(self.train, np.random.default_rng(seed)), now.shape)
        return Measured(**arrays, now=now)

    def _recognized_if_halved(self, random: np.random.Generator) -> FloatArray:
        per_image = max(1.0, self.parts.has.sum() / len(self.parts.has))
        sums, times = np.zeros((2, len(self.labels.classes)), dtype=np.float32)
        for _ in range(_OWN_HEADS):
            is_halved = random.random(self.images.class_count) < _HALVED / per_image
            found = self._recognized(self.parts.take(np.where(is_halved, 0.5, 1.0), random), random)
            sums += np.where(is_halved[self.labels.classes], found, 0)
            times += is_halved[self.labels.classes]
        return np.where(times > 0, sums / np.maximum(times, 1), np.nan).astype(np.float32)

    def _recognized(self, learned: IntArray, random: np.random.Generator) -> FloatArray:
        head = train_head(self.images, learned, seed=(int(random.integers(2**32)),))
        return self.labels.recognized(head, self.images)
