"""Images of rare classes as if there were more of them: drawn more often, or counting more in the loss."""

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


@dataclass(frozen=True, kw_only=True, eq=False)
class Balance:
    """What is done for the images of rare classes; None where all are alike.

    drawing   float64 [N], how often each image is drawn, in proportion
    counting  float32 [N], how much each counts in the loss, on a device
    """

    drawing: npt.NDArray[np.float64] | None = None
    counting: Tensor | None = None


def balance_of(data: TrainingData, recipe: Recipe, *, device: torch.device) -> Balance:
    """What the recipe asks for."""
    if recipe.balance == "none":
        return Balance()
    weights = image_weights(data.train_targets, task=data.task)
    if recipe.balance == "sampler":
        return Balance(drawing=weights)
    return Balance(counting=torch.from_numpy(weights).float().to(device))


def image_weights(targets: npt.NDArray[Any], *, task: Task) -> npt.NDArray[np.float64]:
    """How much each image shall count, so that every class counts alike: float64 [N], mean 1.

    targets  int64 [N] for classification, float32 [N, K] for multilabel

    Inverse to how many images have its class. An image with several labels counts as its rarest one, as in
    repeat-factor sampling (Gupta et al. 2019, arXiv:1908.03195); those without any are a class of their own.
    """
    if task == "classification":
        rarity = 1.0 / np.bincount(targets)[targets]
    else:
        wanted = np.concatenate([targets > 0, ~(targets > 0).any(axis=1, keepdims=True)], axis=1)
        rarity = (wanted / np.maximum(1, wanted.sum(axis=0))).max(axis=1)
    return np.asarray(rarity / rarity.mean())


def epoch_order(
    count: int, *, random: np.random.Generator, weights: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.int64]:
    """The samples of an epoch in random order: int64 [count].

    weights  float64 [count], how often each image is drawn, in proportion; None: each once

    A sample is an image's position plus `count` times the number of its earlier draws in this epoch, so that each draw
    has random numbers of its own. With weights this is systematic sampling (Madow 1949): an image that is due 2.3
    times is drawn two or three times, 2.3 times on average.
    """
    order = random.permutation(count)
    if weights is None:
        return order
    edges = np.cumsum(weights[order])
    points = (np.arange(count) + random.random()) * (edges[-1] / count)
    drawn = order[np.minimum(np.searchsorted(edges, points, side="right"), count - 1)]
    first = np.r_[True, drawn[1:] != drawn[:-1]]  # draws of one image follow one another
    earlier = np.arange(count) - np.maximum.accumulate(np.where(first, np.arange(count), 0))
    return random.permutation(drawn + count * earlier)
