"""How a run learned: the losses and errors of its epochs and steps as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.training.history import EpochRecord, TrainingHistory
from trainer.training.metrics import PRIMARY_METRIC
from trainer.training.tasks import TASKS

FloatArray = npt.NDArray[np.float64]

_SMOOTHING_WINDOWS = 20  # the step losses are averaged over a twentieth of the steps
_MIN_WINDOW_STEPS = 3
_SD_PER_MAD = 1.4826  # of a normal distribution: standard deviation / median absolute deviation

# Fractions of the chance loss.
_DIVERGED_RISE = 0.05
_WORSE_THAN_START = 0.05
_STILL_GUESSING = 0.95
_LEARNED_LITTLE = 0.7

_DIVERGED_DEVIATIONS = 3.0
_MIN_TRAIN_ERROR = 0.05  # with less, there is nothing left to learn from the training images
_MIN_ERROR_RATIO = 0.5  # training error / validation error; with less, the training images are known much better
_MAX_VALID_ERROR_RISE = 0.02
_MIN_FALL = 0.03
_FALL_PARTS = 3  # the fall is measured over the last third of the epochs


@dataclass(frozen=True, kw_only=True, eq=False)
class LearningCurve:
    """How the fine-tuning went. NaN means that a value was not measured.

    Attributes:
        epoch_numbers: int64 [E], the measured epochs in rising order; 0 is the end of the head stage.
        train_loss: [E], of some training images, decoded as validation images are.
        valid_loss: [E], of the validation images.
        train_error: [E], 1 - accuracy; multilabel: 1 - mean average precision.
        valid_error: [E], the same for the validation images.
        step_losses: [S], the loss of each step. Augmentation and dropout are on, so compare them only with each other.
        max_lr: Highest learning rate of the steps; 0 if there were none.
        kept_epoch: Number of the epoch whose weights were exported; None if the history does not contain it.
        chance_loss: Loss of a prediction that knows how frequent each class is and nothing about the image.
        valid_count: Number of validation images.
    """

    epoch_numbers: npt.NDArray[np.int64]
    train_loss: FloatArray
    valid_loss: FloatArray
    train_error: FloatArray
    valid_error: FloatArray
    step_losses: FloatArray
    max_lr: float
    kept_epoch: int | None
    chance_loss: float
    valid_count: int

    @classmethod
    def from_history(
        cls, history: TrainingHistory, *, task: Task, train_targets: npt.NDArray[Any], valid_count: int
    ) -> LearningCurve:
        """Build the curve of a history; the history may lack its first epochs.

        Args:
            history: Epochs and steps of the run.
            task: Decides which metric is the error.
            train_targets: int64 [N]; multilabel: [N, K] of 0 and 1.
            valid_count: Number of validation images.
        """
        return cls(
            epoch_numbers=np.array([epoch.number for epoch in history.epochs], dtype=np.int64),
            train_loss=_metric(history.epochs, "train", "loss"),
            valid_loss=_metric(history.epochs, "valid", "loss"),
            train_error=1 - _metric(history.epochs, "train", PRIMARY_METRIC[task]),
            valid_error=1 - _metric(history.epochs, "valid", PRIMARY_METRIC[task]),
            step_losses=np.array([step.loss for step in history.steps], dtype=np.float64),
            max_lr=max((step.lr for step in history.steps), default=0.0),
            kept_epoch=history.kept.number if history.kept else None,
            chance_loss=chance_loss(train_targets, task=task),
            valid_count=valid_count,
        )

    @property
    def epoch_count(self) -> int:
        """Number of measured fine-tuning epochs."""
        return int((self.epoch_numbers > 0).sum())

    @property
    def starts_with_trained_head(self) -> bool:
        """Whether a head stage came before the fine-tuning."""
        return bool(len(self.epoch_numbers) and self.epoch_numbers[0] == 0)

    @property
    def start_loss(self) -> float:
        """Training loss before fine-tuning: that of the trained head, or of a new head, which only guesses."""
        return float(self.train_loss[0]) if self.starts_with_trained_head else self.chance_loss

    @property
    def largest_rise(self) -> tuple[float, float]:
        """Smoothed step loss before and after its largest rise.

        The loss is smoothed over a twentieth of the steps. The first step counts as a smoothed value of its own.

        Raises:
            ValueError: If there are no steps.
        """
        means = _moving_mean(self.step_losses)
        before = np.minimum.accumulate(np.append(self.step_losses[0], means[:-1]))
        largest = int((means - before).argmax())
        return float(before[largest]), float(means[largest])

    @property
    def diverged(self) -> bool:
        """Whether the step loss rose far above an earlier value, even if only back to the chance loss.

        The rise must be at least a twentieth of the chance loss, beyond three standard deviations of the steps. A new
        head predicts the same for every image, so its first loss is exact: a rise above that one needs no deviations.
        """
        if not len(self.step_losses):
            return False
        before, after = self.largest_rise
        rises = [after - before - _DIVERGED_DEVIATIONS * _step_deviation(self.step_losses)]
        if not self.starts_with_trained_head:
            rises.append(float(_moving_mean(self.step_losses).max() - self.step_losses[0]))
        return max(rises) >= _DIVERGED_RISE * self.chance_loss

    @property
    def failure(self) -> Literal["guessing", "worse"] | None:
        """How fine-tuning failed, if it did.

        `guessing`: the training loss ended near the chance loss. `worse`: it ended clearly above `start_loss`. None
        also if nothing was measured.
        """
        if not self.epoch_count:
            return None
        end = float(self.train_loss[-1])
        if end >= _STILL_GUESSING * self.chance_loss:
            return "guessing"
        return "worse" if end > self.start_loss + _WORSE_THAN_START * self.chance_loss else None

    @property
    def fall_in_last_third(self) -> float:
        """By which fraction the training loss fell in the last third of the epochs; 0 if that was not measured."""
        return _fall(self.train_loss)

    def is_slow(self, *, explained_error: float) -> bool:
        """Whether learning was slow and had not finished at the end.

        That means: the training images themselves are poorly known and hardly better than other images, and this was
        still changing. Everything is measured on images without augmentation; the step losses, with dropout and
        augmentation, say nothing here. A model that learned next to nothing counts too, since nobody can tell from its
        loss whether it is falling. A model that diverged, or whose validation error is rising, does not count.

        Args:
            explained_error: Part of the error that wrong labels explain, 0 to 1.
        """
        if not self.epoch_count or not np.isfinite([self.train_error[-1], self.train_loss[-1]]).all():
            return False
        # Without validation images, the training images have to do.
        error, loss = (self.valid_error, self.valid_loss) if self.valid_count else (self.train_error, self.train_loss)
        if self.diverged or error[-1] > np.nanmin(error) + _MAX_VALID_ERROR_RISE:
            return False
        train_error, valid_error = self.train_error[-1] - explained_error, error[-1] - explained_error
        can_learn_more = train_error >= max(_MIN_TRAIN_ERROR, _MIN_ERROR_RATIO * valid_error)
        learned_little = self.train_loss[-1] >= _LEARNED_LITTLE * self.chance_loss
        is_falling = min(_fall(self.train_loss), _fall(loss)) >= _MIN_FALL
        return bool(can_learn_more and (learned_little or is_falling))


def chance_loss(targets: npt.NDArray[Any], *, task: Task) -> float:
    """Compute the mean loss of the best prediction that is the same for every image: the entropy of the labels.

    Args:
        targets: int64 [N]; multilabel: [N, K] of 0 and 1.
        task: Which of the two it is.

    Returns:
        The entropy in nats; multilabel: the mean over the classes.
    """
    return TASKS[task].chance_loss(targets)


def _metric(epochs: Sequence[EpochRecord], split: Literal["train", "valid"], name: str) -> FloatArray:
    return np.array([getattr(epoch, split).get(name, np.nan) for epoch in epochs], dtype=np.float64)


def _moving_mean(losses: FloatArray) -> FloatArray:
    window = min(len(losses), max(_MIN_WINDOW_STEPS, len(losses) // _SMOOTHING_WINDOWS))
    return np.convolve(losses, np.full(window, 1 / window), "valid")


def _step_deviation(losses: FloatArray) -> float:
    """Standard deviation of the step losses about their trend, from differences of neighbours; robust to outliers."""
    return float(_SD_PER_MAD * np.median(np.abs(np.diff(losses))) / np.sqrt(2)) if len(losses) > 1 else 0.0


def _fall(losses: FloatArray) -> float:
    """By which fraction a loss fell in the last third of the epochs; 0 if that was not measured."""
    before = losses[max(0, len(losses) - 1 - max(1, len(losses) // _FALL_PARTS))]
    return float((before - losses[-1]) / before) if np.isfinite(before) and before > 0 else 0.0
