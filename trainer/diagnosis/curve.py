"""What the rules know of how a run learned: losses and errors as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.training.history import EpochRecord, TrainingHistory
from trainer.training.metrics import PRIMARY_METRIC

FloatArray = npt.NDArray[np.float64]

_WINDOW_SHARE, _LEAST_WINDOW = 20, 3
_ROSE = 0.05  # of the loss of guessing
_DEVIATIONS = 3.0
_DEVIATION_OF_MEDIAN = 1.4826  # of a normal distribution: its standard deviation over its median absolute deviation


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """How the whole network learned. NaN stands where nothing was measured.

    numbers      int64 [E], of the epochs that were measured, rising; 0 is the end of the head stage
    train_loss, valid_loss    [E], of some training images as they are, and of the validation images
    train_error, valid_error  [E], 1 - accuracy; multilabel: 1 - mean average precision
    step_losses  [S], of each step: with augmentation and dropout, so only to be compared with each other
    max_lr    highest learning rate of the steps, 0 where there were none
    kept         number of the epoch whose weights were exported; None where the history does not have it
    chance_loss  of an answer that knows how frequent each class is and nothing of the image
    valid_count  number of validation images
    """

    numbers: npt.NDArray[np.int64]
    train_loss: FloatArray
    valid_loss: FloatArray
    train_error: FloatArray
    valid_error: FloatArray
    step_losses: FloatArray
    max_lr: float
    kept: int | None
    chance_loss: float
    valid_count: int

    @property
    def epochs(self) -> int:
        """Of the whole network."""
        return int((self.numbers > 0).sum())

    @property
    def head_trained(self) -> bool:
        """Whether the whole network began with a trained head."""
        return bool(len(self.numbers) and self.numbers[0] == 0)

    @property
    def start_loss(self) -> float:
        """Training loss before the whole network learned: of the trained head, or of a new one, which guesses."""
        return float(self.train_loss[0]) if self.head_trained else self.chance_loss

    @property
    def rise(self) -> tuple[float, float]:
        """Between which losses the steps rose most: the lowest mean of neighbours, a twentieth of all, and a later one.

        The first step counts as such a mean. Raises ValueError where there are no steps.
        """
        means = _means(self.step_losses)
        before = np.minimum.accumulate(np.append(self.step_losses[0], means[:-1]))
        most = int((means - before).argmax())
        return float(before[most]), float(means[most])

    @property
    def burst(self) -> bool:
        """Whether the loss of the steps rose well over what it had been, if only back to that of guessing.

        By a twentieth of the loss of guessing, and by three standard deviations of the steps. A new head answers every
        image alike, so its first loss is exact: no deviations are asked for over that one.
        """
        if not len(self.step_losses):
            return False
        before, after = self.rise
        rises = [after - before - _DEVIATIONS * _deviation(self.step_losses)]
        if not self.head_trained:
            rises.append(float(_means(self.step_losses).max() - self.step_losses[0]))
        return max(rises) >= _ROSE * self.chance_loss


def draw_curve(learning: TrainingHistory, *, task: Task, train_targets: npt.NDArray[Any], valid_count: int) -> Curve:
    """The curve of a history; its first epochs may be missing.

    train_targets  int64 [N], or for multilabel [N, K] of 0 and 1
    """
    rates = [step.lr for step in learning.steps]
    return Curve(
        numbers=np.array([epoch.number for epoch in learning.epochs], dtype=np.int64),
        train_loss=_figures(learning.epochs, "train", "loss"),
        valid_loss=_figures(learning.epochs, "valid", "loss"),
        train_error=1 - _figures(learning.epochs, "train", PRIMARY_METRIC[task]),
        valid_error=1 - _figures(learning.epochs, "valid", PRIMARY_METRIC[task]),
        step_losses=np.array([step.loss for step in learning.steps], dtype=np.float64),
        max_lr=max(rates, default=0.0),
        kept=learning.kept.number if learning.kept else None,
        chance_loss=chance_loss(train_targets, task=task),
        valid_count=valid_count,
    )


def chance_loss(targets: npt.NDArray[Any], *, task: Task) -> float:
    """Mean loss of the best answer that is the same for every image: the entropy of the labels, in nats.

    classification: int64 [N]; multilabel: [N, K] of 0 and 1, the mean over the classes
    """
    if task == "classification":
        shares = np.bincount(targets) / len(targets)
        return float(_surprise(shares).sum())
    shares = (targets > 0).mean(axis=0)
    return float((_surprise(shares) + _surprise(1 - shares)).mean())


def _surprise(shares: FloatArray) -> FloatArray:
    return -shares * np.log(np.where(shares > 0, shares, 1))


def _figures(epochs: Sequence[EpochRecord], side: str, name: str) -> FloatArray:
    return np.array([getattr(epoch, side).get(name, np.nan) for epoch in epochs], dtype=np.float64)


def _means(losses: FloatArray) -> FloatArray:
    window = min(len(losses), max(_LEAST_WINDOW, len(losses) // _WINDOW_SHARE))
    return np.convolve(losses, np.full(window, 1 / window), "valid")


def _deviation(losses: FloatArray) -> float:
    """Standard deviation of the steps about their course, from what lies between neighbours; outliers do not count."""
    return float(_DEVIATION_OF_MEDIAN * np.median(np.abs(np.diff(losses))) / np.sqrt(2)) if len(losses) > 1 else 0.0
