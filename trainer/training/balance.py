"""Images of rare classes as if there were more of them: drawn more often, or counted more in the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.bundle.spec import Task
from trainer.data import TrainingData
from trainer.recipe import Recipe
from trainer.training.tasks import TASKS


@dataclass(frozen=True, kw_only=True, eq=False)
class Balance:
    """Weights of the training images, for at most one of two uses; None: all images are equal.

    Attributes:
        sampling: float64 [N], how often each image is drawn, in proportion.
        loss: float32 [N], how much each counts in the loss, on the device.
    """

    sampling: npt.NDArray[np.float64] | None = None
    loss: Tensor | None = None


def balance_of(data: TrainingData, recipe: Recipe, *, device: torch.device) -> Balance:
    """The balance that the recipe asks for."""
    if recipe.balance == "none":
        return Balance()
    weights = image_weights(data.train_targets, task=data.task)
    if recipe.balance == "sampler":
        return Balance(sampling=weights)
    return Balance(loss=torch.from_numpy(weights).float().to(device))


def image_weights(targets: npt.NDArray[Any], *, task: Task) -> npt.NDArray[np.float64]:
    """Weigh the images so that all classes count the same: inverse to the number of images of their class.

    Args:
        targets: int64 [N] for classification, float32 [N, K] for multilabel.
        task: Which of the two.

    Returns:
        float64 [N], mean 1.
    """
    rarity = TASKS[task].image_weights(targets)
    return np.asarray(rarity / rarity.mean())


def epoch_order(
    count: int, *, random: np.random.Generator, weights: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.int64]:
    """Draw the samples of an epoch, in random order.

    A sample is the position of an image plus `count` times the number of its earlier draws in this epoch, so that each
    draw has random numbers of its own. With weights this is systematic sampling (Madow 1949): an image that is due 2.3
    times is drawn two or three times, 2.3 times on average.

    Args:
        count: Number of images.
        random: Source of random numbers.
        weights: float64 [count], how often each image is drawn, in proportion; None: each once.

    Returns:
        int64 [count].
    """
    order = random.permutation(count)
    if weights is None:
        return order
    edges = np.cumsum(weights[order])
    points = (np.arange(count) + random.random()) * (edges[-1] / count)
    drawn = order[np.minimum(np.searchsorted(edges, points, side="right"), count - 1)]
    is_first = np.r_[True, drawn[1:] != drawn[:-1]]  # the draws of one image follow one another
    earlier = np.arange(count) - np.maximum.accumulate(np.where(is_first, np.arange(count), 0))
    return random.permutation(drawn + count * earlier)
