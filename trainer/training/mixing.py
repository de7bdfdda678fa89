"""Mixup and cutmix: images of a batch blended with, or pasted into, one another, their targets likewise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from service.bundle.spec import Task


@dataclass(frozen=True, kw_only=True, eq=False)
class Mix:
    """How the images of a batch are mixed.

    partners  int64 [B], which image of the batch each is mixed with
    shares    float32 [B], how much of its own target each keeps
    blends    float32 [B], how much each keeps of its own pixels outside its box: 1 for cutmix, the share for mixup
    boxes     int64 [B, 4], the partner's part as left, top, right, bottom, pixels; empty for mixup
    """

    partners: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float32]
    blends: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.int64]


def draw_mix(count: int, *, size: int, mixup: float, cutmix: float, random: np.random.Generator) -> Mix:
    """Draw how a batch of `count` images of `size` pixels a side is mixed.

    mixup, cutmix  alpha of the Beta(alpha, alpha) that the shares are drawn from; 0 leaves the one out; where both are
                   given, each image gets the one or the other

    Mixup: Zhang et al. 2018, arXiv:1710.09412. Cutmix: Yun et al. 2019, arXiv:1905.04899, where a box that meets the
    border is cut off there, and the share is that of the pixels.
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
        shares=np.where(pasted, 1 - areas / size**2, drawn).astype(np.float32),
        blends=np.where(pasted, 1, drawn).astype(np.float32),
        boxes=boxes,
    )


def mix_pixels(own: Tensor, other: Tensor, *, blends: Tensor, boxes: Tensor) -> Tensor:
    """Float32 [B, 3, S, S], twice, on one device -> the same, channels last; `blends` and `boxes` as in `Mix`."""
    places = torch.arange(own.shape[-1], device=own.device)
    left, top, right, bottom = boxes[:, :, None].unbind(dim=1)
    across = (places >= left) & (places < right)
    down = (places >= top) & (places < bottom)
    kept = blends[:, None, None] * ~(down[:, :, None] & across[:, None, :])
    return torch.lerp(other, own, kept[:, None]).contiguous(memory_format=torch.channels_last)


def mix_weights(own: Tensor, other: Tensor, *, shares: Tensor) -> tuple[Tensor, Tensor]:
    """How much mixed images count, and the shares of their own in their targets: float32 [B], twice -> the same.

    The loss of the own label then counts share x own weight, that of the other label (1 - share) x other weight.
    """
    weights = torch.lerp(other, own, shares)
    return weights, shares * own / weights


def mix_targets(own: Tensor, other: Tensor, *, shares: Tensor, task: Task, class_count: int) -> Tensor:
    """Targets [B] or [B, K], twice, on one device -> float32 [B, K]; `shares` as in `Mix`."""
    if task == "classification":
        own, other = (F.one_hot(targets, class_count).float() for targets in (own, other))
    return torch.lerp(other, own, shares[:, None])
