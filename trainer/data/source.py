"""Decoded images by their positions, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from service.pixels import UInt8Array


class PixelSource(Protocol):
    """The decoded arrays of N images: a `PixelCache`, or `UncachedPixels`, which give the same arrays."""

    @property
    def size(self) -> int:
        """Side of the images, pixels."""

    @property
    def aspects(self) -> npt.NDArray[np.float32]:
        """float32 [N], upright width / height."""

    @property
    def errors(self) -> dict[int, str]:
        """Position of an image -> why it cannot be decoded."""

    def __len__(self) -> int: ...

    def batch(self, positions: npt.NDArray[np.int64]) -> UInt8Array:
        """Return the images at these positions: int64 [B] -> uint8 [B, size, size, 3]."""

    def prefetch(self, positions: Iterable[int]) -> None:
        """Announce which images will be asked for from now on, in this order; it changes only how fast they come."""

    def select(self, positions: Sequence[int]) -> PixelSource:
        """Return some of the images, in the given order."""
