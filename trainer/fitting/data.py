"""What both stages learn from: cached images with their targets, and the loss between targets and logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from service.bundle.spec import Task
from trainer.pixels import PixelCache


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingData:
    """Images and targets of both sides of the split.

    train          whole images, squished to squares with room for augmentation
    valid          images as the service decodes them
    train_targets, valid_targets  int64 [N] for classification, float32 [N, K] for multilabel
    """

    task: Task
    class_count: int
    train: PixelCache
    train_targets: npt.NDArray[Any]
    valid: PixelCache
    valid_targets: npt.NDArray[Any]


def loss_of(logits: Tensor, targets: Tensor, *, task: Task, smoothing: float) -> Tensor:
    """Mean loss: cross-entropy with label smoothing, or binary cross-entropy over all classes; logits [B, K]."""
    if task == "classification":
        return F.cross_entropy(logits.float(), targets, label_smoothing=smoothing)
    return F.binary_cross_entropy_with_logits(logits.float(), targets)


def seed_torch(*keys: int) -> None:
    """Seed torch's generators (dropout, stochastic depth) from a tuple such as (seed, stage, step)."""
    torch.manual_seed(int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> np.uint64(1)))
