"""The loss of both stages, and the random numbers of a step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from service.bundle.spec import Task
from trainer.training.tasks import TASKS


def compute_loss(
    logits: Tensor, targets: Tensor, *, task: Task, smoothing: float, weights: Tensor | None = None
) -> Tensor:
    """Compute the mean loss: cross-entropy with label smoothing, or binary cross-entropy over all classes.

    Args:
        logits: [B, K].
        targets: float32 [B, K]; for classification also int64 [B].
        task: Decides between the two losses.
        smoothing: Label smoothing; classification only.
        weights: float32 [B], how much each image counts; None: all count 1.
    """
    reduction = "mean" if weights is None else "none"
    loss = TASKS[task].loss(logits.float(), targets, smoothing=smoothing, reduction=reduction)
    return loss if weights is None else (loss.view(len(logits), -1).mean(dim=1) * weights).mean()


def seed_torch(*keys: int) -> None:
    """Seed torch's generators (dropout, stochastic depth) from a tuple such as (seed, stage, step)."""
    torch.manual_seed(int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> np.uint64(1)))
