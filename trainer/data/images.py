"""The images of a cache as tensors on a device: whole on a GPU that has the room, else sent batch by batch."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainer.data.cache import PixelCache

# Of a GPU's free memory: the rest is for the network, its optimizer and its activations.
_MOST_SHARE = 0.5
_IMAGES_A_COPY = 256


class Images(Protocol):
    """Where training takes its images from."""

    def batch(self, positions: npt.NDArray[np.int64]) -> Tensor:
        """The images at these positions: int64 [B] -> uint8 [B, S, S, 3] on the device."""


def open_images(cache: PixelCache, device: torch.device) -> Images:
    """`ResidentImages` on a GPU where they take at most half of the free memory, else `StreamedImages`."""
    if has_room(device, _bytes_of(cache)):
        return ResidentImages(cache, device)
    return StreamedImages(cache, device)


def has_room(device: torch.device, count_bytes: int) -> bool:
    """Whether a device is a GPU with free memory of twice so many bytes."""
    return device.type == "cuda" and count_bytes <= _MOST_SHARE * _free_bytes(device)


class ResidentImages:
    """All images on the device: a batch is gathered there, and only the positions are sent."""

    def __init__(self, cache: PixelCache, device: torch.device) -> None:
        self._pixels = torch.empty((len(cache), *cache.pixels.shape[1:]), dtype=torch.uint8, device=device)
        for start in range(0, len(cache), _IMAGES_A_COPY):
            positions = np.arange(start, min(start + _IMAGES_A_COPY, len(cache)), dtype=np.int64)
            self._pixels[start : start + len(positions)] = torch.from_numpy(cache.batch(positions)).to(device)

    def batch(self, positions: npt.NDArray[np.int64]) -> Tensor:
        """As `Images.batch` says."""
        return self._pixels.index_select(0, to_device(torch.from_numpy(positions), self._pixels.device))


class StreamedImages:
    """The images stay in the mapped file; a GPU is sent one batch while it still works on the one before."""

    def __init__(self, cache: PixelCache, device: torch.device) -> None:
        self._cache = cache
        self._device = device

    def batch(self, positions: npt.NDArray[np.int64]) -> Tensor:
        """As `Images.batch` says."""
        return to_device(torch.from_numpy(self._cache.batch(positions)), self._device)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Send a tensor of the CPU to a device, without waiting for what a GPU is still at."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def _bytes_of(cache: PixelCache) -> int:
    return len(cache) * int(np.prod(cache.pixels.shape[1:]))


def _free_bytes(device: torch.device) -> int:
    """Memory of a GPU that is free, or that this process holds and does not use."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
