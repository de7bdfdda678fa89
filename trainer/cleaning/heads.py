"""Linear heads on features, for judging labels: each image is judged by a head that has not seen it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Targets = npt.NDArray[Any]  # int64 [N], or float32 [N, K] of 0 and 1 for several labels an image

FOLDS = 5
_EPOCHS = 20
_FEW_IMAGES = 20_000  # with more, there are fewer epochs: the number of steps stays
_FEWEST_EPOCHS = 4
_MAX_BATCH_SIZE = 256
_MIN_STEPS = 8  # in an epoch: of few images there are smaller batches
_SCALE = 16.0  # of the unit vectors
_LR = 0.02
_WARMUP = 0.2  # fraction of the steps
# Strong, so that a head does not learn wrong labels by heart: `tests/benchmarks/label_noise.py` measures it.
_WEIGHT_DECAY = 3.0
# For several labels an image: with the values above, heads learn rare labels too slowly, and lose frequent ones.
_MULTILABEL_LR = 0.2
_MULTILABEL_WEIGHT_DECAY = 1.0
_BETAS = (0.9, 0.99)
_EVALUATED_ROWS = 8192
_CALIBRATED_ROWS = 8192
_SCALES = tuple(2.0 ** (power / 2) for power in range(-2, 9))  # of the logits


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadSignals:
    """What heads say about N images and K classes.

    Attributes:
        probabilities: float32 [N, K], by the head that has seen neither the image nor a near duplicate of it.
        margins: float32 [N], logit of the label - highest other logit, the mean over the epochs: for an image that
            heads learn, by those that learn it with this label; for others by the head that gives the probabilities.
            NaN for multilabel.
    """

    probabilities: FloatArray
    margins: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """N images with features and labels, K classes.

    Attributes:
        units: float32 [N, D], rows of length 1; see `near_duplicates.whiten`.
        targets: int64 [N], or float32 [N, K] of 0 and 1 for multilabel.
        is_train: bool [N], the images that heads learn.
        folds: int64 [N]; see `divide_into_folds`.
        class_count: K.
    """

    units: FloatArray
    targets: Targets
    is_train: npt.NDArray[np.bool_]
    folds: IntArray
    class_count: int

    @property
    def is_multilabel(self) -> bool:
        """Whether an image has several labels."""
        return self.targets.ndim == 2


def one_thread() -> AbstractContextManager[object]:
    """Open a context in which NumPy multiplies matrices in one thread: in several, busy cores are ten times slower."""
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def judge_by_heads(images: Labelled, *, seed: int) -> HeadSignals:
    """For each fold, train a head on the training images of the other folds, and ask it about all images of this one.

    A head is one linear layer, trained with AdamW for a few epochs of one cycle. What it says of images while it learns
    them is the area under the margin (Pleiss et al. 2020, arXiv:2001.10528; for heads on frozen features
    arXiv:2510.16211): wrong labels are learned late.

    Args:
        images: What is judged.
        seed: Of the order of the images.
    """
    with one_thread():
        return _judge_by_heads(images, seed=seed)


def _judge_by_heads(images: Labelled, *, seed: int) -> HeadSignals:
    held_out_logits = np.zeros((len(images.units), images.class_count), dtype=np.float32)
    margins = np.zeros(len(images.units), dtype=np.float64)
    folds = np.unique(images.folds).tolist()
    for fold in folds:
        held_out = np.flatnonzero(images.folds == fold)
        learned = np.flatnonzero(images.is_train & (images.folds != fold))
        unseen = held_out[~images.is_train[held_out]]
        head, epochs = Head(images.units.shape[1], images.class_count), _epochs(len(learned))
        for positions, found in _epochs_of(head, images, learned, random=np.random.default_rng((seed, fold))):
            margins[positions] += found / epochs / max(1, len(folds) - 1)
            if not images.is_multilabel:
                for part in split(unseen, _EVALUATED_ROWS):
                    margins[part] += label_margins(head.logits(images.units[part]), images.targets[part]) / epochs
        for positions in split(held_out, _EVALUATED_ROWS):
            held_out_logits[positions] = head.logits(images.units[positions])
    if images.is_multilabel:
        margins[:] = np.nan
    probabilities = _calibrate(held_out_logits, images.targets)
    return HeadSignals(probabilities=probabilities, margins=margins.astype(np.float32))


def train_head(images: Labelled, learned: IntArray, *, seed: Sequence[int]) -> Head:
    """Train a head on some images.

    Args:
        images: These and others.
        learned: Positions of the images that it learns.
        seed: Of the order of the images.
    """
    head = Head(images.units.shape[1], images.class_count)
    for _ in _epochs_of(head, images, learned, random=np.random.default_rng(seed)):
        pass
    return head


def divide_into_folds(groups: IntArray, targets: Targets, *, seed: int, count: int = FOLDS) -> IntArray:
    """Divide images into folds: a group stays together, and each class is spread over all folds.

    Args:
        groups: int64 [N], near duplicates; see `near_duplicate_groups`.
        targets: As in `Labelled`.
        seed: Of the division.
        count: Number of folds; less if there are fewer groups.

    Returns:
        The fold of each image, int64 [N], from 0.
    """
    names, first, members = np.unique(groups, return_index=True, return_inverse=True)
    labels = targets[first] if targets.ndim == 1 else targets[first].argmax(axis=1)
    order = np.lexsort((np.random.default_rng(seed).random(len(names)), labels))
    folds = np.empty(len(names), dtype=np.int64)
    folds[order] = np.arange(len(names)) % count
    return folds[members]


def label_margins(values: FloatArray, targets: IntArray) -> FloatArray:
    """The value of the label - the highest other value: [N, K], int64 [N] -> [N]."""
    rows = np.arange(len(targets))
    others = values.copy()
    others[rows, targets] = -np.inf
    return np.asarray(values[rows, targets] - others.max(axis=1))


def split(positions: IntArray, size: int) -> list[IntArray]:
    """Split an array, in order, into parts of `size`; the last one may be shorter."""
    return [positions[start : start + size] for start in range(0, len(positions), size)]


def _epochs_of(
    head: Head, images: Labelled, learned: IntArray, *, random: np.random.Generator
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Train a head. After each epoch: its images in the order of their steps, and their margins before these."""
    epochs = _epochs(len(learned)) if len(learned) else 0
    for epoch in range(epochs):
        batches = split(random.permutation(learned), min(_MAX_BATCH_SIZE, -(-len(learned) // _MIN_STEPS)))
        margins = []
        for number, positions in enumerate(batches):
            fraction = _one_cycle((epoch + number / len(batches)) / epochs)
            margins.append(_learn(head, images, positions, lr_fraction=fraction))
        yield np.concatenate(batches), np.concatenate(margins)


def _learn(head: Head, images: Labelled, positions: IntArray, *, lr_fraction: float) -> FloatArray:
    """Take a step on some images, with a fraction of the peak learning rate.

    Returns:
        Their margins before it; 0 for multilabel.
    """
    units, targets = images.units[positions], images.targets[positions]
    logits = head.logits(units)
    margins = np.zeros(len(positions), dtype=np.float32)
    gradient = _activate(logits, is_multilabel=images.is_multilabel)
    if images.is_multilabel:
        gradient -= targets
    else:
        margins = label_margins(logits, targets)
        gradient[np.arange(len(positions)), targets] -= 1
    lr, weight_decay = (_LR, _WEIGHT_DECAY)
    if images.is_multilabel:
        lr, weight_decay = (_MULTILABEL_LR, _MULTILABEL_WEIGHT_DECAY)
    head.step(units, gradient / np.float32(len(positions)), lr=lr_fraction * lr, weight_decay=weight_decay)
    return margins


def _calibrate(logits: FloatArray, targets: Targets) -> FloatArray:
    """Probabilities by the temperature that suits the labels best: heads that decay so strongly are too unsure.

    Replaces the logits, so that there is only one array of this size.
    """
    is_multilabel = targets.ndim == 2
    rows = np.random.default_rng(0).permutation(len(logits))[:_CALIBRATED_ROWS]
    losses: list[float] = []
    for scale in _SCALES:
        found = _activate(scale * logits[rows], is_multilabel=is_multilabel)
        if is_multilabel:
            found = np.where(targets[rows] > 0, found, 1 - found)
        else:
            found = found[np.arange(len(rows)), targets[rows]]
        losses.append(float(-np.log(found + np.float32(1e-6)).mean()))
    best = _SCALES[int(np.argmin(losses))]
    for start in range(0, len(logits), _EVALUATED_ROWS):
        part = slice(start, start + _EVALUATED_ROWS)
        logits[part] = _activate(best * logits[part], is_multilabel=is_multilabel)
    return logits


class Head:
    """One linear layer and its AdamW."""

    def __init__(self, width: int, class_count: int) -> None:
        self._weights = np.zeros((width + 1, class_count), dtype=np.float32)  # the last row is the bias
        self._mean = np.zeros_like(self._weights)
        self._square = np.zeros_like(self._weights)
        self._steps = 0

    def logits(self, units: FloatArray) -> FloatArray:
        """float32 [N, D] -> [N, K]."""
        return np.asarray(_SCALE * (units @ self._weights[:-1]) + self._weights[-1])

    def step(self, units: FloatArray, gradient: FloatArray, *, lr: float, weight_decay: float) -> None:
        """Take a step; `gradient` is that of the loss by the logits, [B, K]."""
        self._steps += 1
        slope = np.concatenate([_SCALE * (units.T @ gradient), gradient.sum(axis=0, keepdims=True)])
        beta, other_beta = _BETAS
        self._mean += (1 - beta) * (slope - self._mean)
        self._square += (1 - other_beta) * (slope * slope - self._square)
        mean, square = self._mean / (1 - beta**self._steps), self._square / (1 - other_beta**self._steps)
        self._weights -= np.float32(lr) * mean / (np.sqrt(square) + np.float32(1e-8))
        self._weights[:-1] *= 1 - lr * weight_decay


def _epochs(count: int) -> int:
    return max(_FEWEST_EPOCHS, round(_EPOCHS * min(1, _FEW_IMAGES / max(1, count))))


def _one_cycle(done: float) -> float:
    """The learning rate as a fraction of its peak, after a fraction of the steps."""
    if done < _WARMUP:
        return done / _WARMUP
    return float(0.5 * (1 + np.cos(np.pi * (done - _WARMUP) / (1 - _WARMUP))))


def _activate(logits: FloatArray, *, is_multilabel: bool) -> FloatArray:
    if is_multilabel:
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
