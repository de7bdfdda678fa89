"""Mixup and cutmix: images of a batch blended with, or pasted into, one another, and their targets likewise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.bundle.spec import Task
from trainer.training.tasks import TASKS


@dataclass(frozen=True, kw_only=True, eq=False)
class Mix:
    """How the images of a batch are mixed.

    Attributes:
        partners: int64 [B], the image of the batch that each is mixed with.
        lam: float32 [B], fraction of its own target that each image keeps (lambda in both papers).
        blends: float32 [B], fraction of its own pixels outside its box: 1 for cutmix, lam for mixup.
        boxes: int64 [B, 4], the partner's part as left, top, right, bottom, pixels; empty for mixup.
    """

    partners: npt.NDArray[np.int64]
    lam: npt.NDArray[np.float32]
    blends: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.int64]


def draw_mix(count: int, *, size: int, mixup: float, cutmix: float, random: np.random.Generator) -> Mix:
    """Draw how a batch is mixed.

    Mixup: Zhang et al. 2018, arXiv:1710.09412. Cutmix: Yun et al. 2019, arXiv:1905.04899; a box that crosses the border
    is cut off there, and lam is the fraction of the pixels.

    Args:
        count: Number of images.
        size: Side of the images, pixels.
        mixup: Alpha of the Beta(alpha, alpha) distribution of lam; 0: no mixup.
        cutmix: The same for cutmix. If both are given, each image gets one of them.
        random: Source of random numbers.
    """
    partners = random.permutation(count)
    pasted = random.random(count) < (0.5 if mixup and cutmix else float(cutmix > 0))
    drawn = random.beta(np.where(pasted, cutmix, mixup), np.where(pasted, cutmix, mixup))
    centres = size * random.random((count, 2))
    halves = (size / 2 * np.sqrt(1 - drawn) * pasted)[:, np.newaxis]
    boxes = np.concatenate([centres - halves, centres + halves], axis=1).clip(0, size).round().astype(np.int64)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return Mix(
        partners=partners,
        lam=np.where(pasted, 1 - areas / size**2, drawn).astype(np.float32),
        blends=np.where(pasted, 1, drawn).astype(np.float32),
        boxes=boxes,
    )


def mix_pixels(images: Tensor, partners: Tensor, *, blends: Tensor, boxes: Tensor) -> Tensor:
    """Mix images, float32 [B, 3, S, S] channels last, with their partners; `blends` and `boxes` as in `Mix`."""
    positions = torch.arange(images.shape[-1], device=images.device)
    left, top, right, bottom = boxes[:, :, None].unbind(dim=1)
    across = (positions >= left) & (positions < right)
    down = (positions >= top) & (positions < bottom)
    kept = blends[:, None, None] * ~(down[:, :, None] & across[:, None, :])
    return torch.lerp(partners, images, kept[:, None]).contiguous(memory_format=torch.channels_last)


def mix_weights(weights: Tensor, partners: Tensor, *, lam: Tensor) -> tuple[Tensor, Tensor]:
    """Mix the weights of images, float32 [B], with their partners'.

    Returns:
        How much each mixed image counts, and its lam: so that in the loss its own label counts lam x its own weight,
        and that of its partner (1 - lam) x the partner's weight.
    """
    mixed = torch.lerp(partners, weights, lam)
    return mixed, lam * weights / mixed


def mix_targets(targets: Tensor, partners: Tensor, *, lam: Tensor, task: Task, class_count: int) -> Tensor:
    """Mix targets, [B] or [B, K], with their partners': float32 [B, K]."""
    targets, partners = (TASKS[task].soft_targets(each, class_count) for each in (targets, partners))
    return torch.lerp(partners, targets, lam[:, None])
