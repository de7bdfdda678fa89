"""Decoded images by their positions, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from service.pixels import UInt8Array


class Original(NamedTuple):
    """What an image was before it became an array: its format by content, and its upright size in pixels."""

    format: str
    width: int
    height: int


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

    @property
    def originals(self) -> tuple[Original, ...]:
        """What each image was; empty if that is not known."""

    def __len__(self) -> int: ...

    def batch(self, positions: npt.NDArray[np.int64]) -> UInt8Array:
        """Return the images at these positions: int64 [B] -> uint8 [B, size, size, 3]."""

    def prefetch(self, positions: Iterable[int]) -> None:
        """Announce which images will be asked for from now on, in this order; it changes only how fast they come."""

    def select(self, positions: Sequence[int]) -> PixelSource:
        """Return some of the images, in the given order."""


def select_originals(originals: Sequence[Original], positions: Sequence[int]) -> tuple[Original, ...]:
    """Return those of some images, in the given order; none if they are not known."""
    return tuple(originals[position] for position in positions) if originals else ()
