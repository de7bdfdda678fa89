"""Decoded images as tensors on a device: all copied to a GPU if they fit, else sent batch by batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainer.data.source import PixelSource

# The rest of a GPU's free memory is for the network, its optimizer and its activations.
_MAX_FREE_FRACTION = 0.5
_IMAGES_PER_COPY = 256


class Images(Protocol):
    """A source of image batches on a device."""

    def batch(self, positions: npt.NDArray[np.int64]) -> Tensor:
        """Return the images at these positions.

        Args:
            positions: int64 [B].

        Returns:
            uint8 [B, S, S, 3] on the device.
        """

    def prefetch(self, positions: Iterable[int]) -> None:
        """See `PixelSource.prefetch`."""


def open_images(cache: PixelSource, device: torch.device) -> Images:
    """Return `PreloadedImages` if the device is a GPU that they fit on, else `StreamedImages`."""
    if fits_on_gpu(_byte_count(cache), device):
        return PreloadedImages(cache, device)
    return StreamedImages(cache, device)


def fits_on_gpu(byte_count: int, device: torch.device) -> bool:
    """Return whether the device is a GPU and so many bytes are at most half of its free memory."""
    return device.type == "cuda" and byte_count <= _MAX_FREE_FRACTION * _free_bytes(device)


class PreloadedImages:
    """All images on the device: a batch is indexed there, and only the positions are sent."""

    def __init__(self, cache: PixelSource, device: torch.device) -> None:
        self._pixels = torch.empty((len(cache), cache.size, cache.size, 3), dtype=torch.uint8, device=device)
        cache.prefetch(range(len(cache)))
        for start in range(0, len(cache), _IMAGES_PER_COPY):
            positions = np.arange(start, min(start + _IMAGES_PER_COPY, len(cache)), dtype=np.int64)
            self._pixels[start : start + len(positions)] = torch.from_numpy(cache.batch(positions)).to(device)

    def batch(self, positions: npt.NDArray[np.int64]) -> Tensor:
        """See `Images.batch`."""
        return self._pixels.index_select(0, to_device(torch.from_numpy(positions), self._pixels.device))

    def prefetch(self, positions: Iterable[int]) -> None:
        """See `PixelSource.prefetch`: all of them are there."""


class StreamedImages:
    """Images in the mapped file, or decoded as they are needed: each batch is sent to the
    device, while a GPU still processes the one before.
    """

    def __init__(self, cache: PixelSource, device: torch.device) -> None:
        self._cache = cache
        self._device = device

    def batch(self, positions: npt.NDArray[np.int64]) -> Tensor:
        """See `Images.batch`."""
        return to_device(torch.from_numpy(self._cache.batch(positions)), self._device)

    def prefetch(self, positions: Iterable[int]) -> None:
        """See `PixelSource.prefetch`."""
        self._cache.prefetch(positions)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Send a CPU tensor to a device; does not wait for what a GPU is still processing."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def _byte_count(cache: PixelSource) -> int:
    return len(cache) * cache.size * cache.size * 3


def _free_bytes(device: torch.device) -> int:
    """Memory of a GPU that is free, or that this process has reserved and does not use."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
