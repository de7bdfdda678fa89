"""Logits of images that were decoded exactly as the service decodes them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainer.data import PixelCache, StreamedImages
from trainer.model import Classifier
from trainer.progress import NoProgress, Progress
from trainer.training.distributed import Distributed
from trainer.training.memory import MicroBatch

BATCH_SIZE = 64


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    cache: PixelCache,
    *,
    device: torch.device,
    progress: Progress | None = None,
    micro_batch: MicroBatch | None = None,
) -> npt.NDArray[np.float32]:
    """float32 [N, K] of every image of a cache that was filled with the bundle's own PixelSpec, in its order.

    micro_batch  how many images the memory held so far

    Raises FitError where the memory does not hold a single image.
    """
    model.eval()
    micro_batch = micro_batch or MicroBatch(BATCH_SIZE, device=device)
    watcher, images = progress or NoProgress(), StreamedImages(cache, device)

    def logits_of(positions: npt.NDArray[np.int64]) -> Tensor:
        logits: Tensor = model(to_pixels(images.batch(positions)))
        return logits.float()

    logits: list[Tensor] = []
    for positions in batches(len(cache), BATCH_SIZE):
        logits += micro_batch.over(positions, logits_of, say=lambda line: watcher.warn(f"{line}"))
    return np.asarray(torch.cat(logits).cpu())  # waits for the device


def predict_distributed(
    model: Classifier,
    cache: PixelCache,
    *,
    processes: Distributed,
    device: torch.device,
    progress: Progress | None = None,
    micro_batch: MicroBatch | None = None,
) -> npt.NDArray[np.float32]:
    """What `predict_logits` gives, on all processes, each of which works on its share of the images."""
    if processes.world_size == 1:
        return predict_logits(model, cache, device=device, progress=progress, micro_batch=micro_batch)
    own = processes.shard(len(cache))
    logits = torch.zeros(len(cache), model.head.out_features)
    if own.start < own.stop:
        part = cache.select(range(own.start, own.stop))
        found = predict_logits(model, part, device=device, progress=progress, micro_batch=micro_batch)
        logits[own] = torch.from_numpy(found)
    processes.all_reduce(logits)
    return logits.numpy()


def batches(count: int, size: int) -> list[npt.NDArray[np.int64]]:
    """0 .. count - 1 in order, cut into pieces of at most `size`."""
    return [np.arange(start, min(start + size, count), dtype=np.int64) for start in range(0, count, size)]


def to_pixels(images: Tensor) -> Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] in 0..255, channels last, on the same device."""
    return images.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
