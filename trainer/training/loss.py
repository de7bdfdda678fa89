"""The loss between logits and targets, and the seed of the layers that draw random numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from service.bundle.spec import Task


def loss_of(logits: Tensor, targets: Tensor, *, task: Task, smoothing: float, weights: Tensor | None = None) -> Tensor:
    """Compute the mean loss of a batch: cross-entropy, or for multilabel binary cross-entropy over all classes.

    Args:
        logits: [B, K], any float type; the loss is computed in float32.
        targets: float32 [B, K]; for classification also int64 [B].
        task: `classification` or `multilabel`.
        smoothing: Of the labels, 0..1 (Szegedy et al. 2015, arXiv:1512.00567); classification only.
        weights: float32 [B], weight of each image in the mean; None: all 1.

    Returns:
        float32, a scalar.
    """
    reduction = "mean" if weights is None else "none"
    if task == "classification":
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=smoothing, reduction=reduction)
    else:
        loss = F.binary_cross_entropy_with_logits(logits.float(), targets, reduction=reduction)
    return loss if weights is None else (loss.view(len(logits), -1).mean(dim=1) * weights).mean()


def seed_torch(*keys: int) -> None:
    """Seed torch's generators, for dropout and stochastic depth.

    Args:
        *keys: Integers such as (seed, stage, step); the same ones give the same random numbers.
    """
    torch.manual_seed(int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> np.uint64(1)))
