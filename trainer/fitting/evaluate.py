"""Logits of validation images, decoded exactly as the service decodes them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainer.pixels import PixelCache

BATCH_SIZE = 64


@torch.inference_mode()
def predict_logits(model: nn.Module, cache: PixelCache, *, device: torch.device) -> npt.NDArray[np.float32]:
    """float32 [N, K] of every image of a cache that was filled with the bundle's own PixelSpec, in its order."""
    model.eval()
    logits = [
        model(to_pixels(cache.batch(positions), device=device)).float().cpu().numpy()
        for positions in batches(len(cache), BATCH_SIZE)
    ]
    return np.concatenate(logits)


def batches(count: int, size: int) -> list[npt.NDArray[np.int64]]:
    """0 .. count - 1 in order, cut into pieces of at most `size`."""
    return [np.arange(start, min(start + size, count), dtype=np.int64) for start in range(0, count, size)]


def to_pixels(images: npt.NDArray[np.uint8], *, device: torch.device) -> Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] in 0..255, channels last, on the device."""
    moved = torch.from_numpy(images).to(device)
    return moved.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
