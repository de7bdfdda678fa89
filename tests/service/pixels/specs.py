"""One spec of each mode, and images whose pixels show where they came from."""

from __future__ import annotations

import numpy as np
from PIL import Image

from service.pixels import PixelSpec, load

CROP = PixelSpec(size=32, resize_short=36, mode="crop", filter="bilinear")
SQUISH = PixelSpec(size=32, resize_short=32, mode="squish", filter="bicubic")
PAD = PixelSpec(size=32, resize_short=32, mode="pad", filter="bilinear")


def ramp(width: int, height: int) -> Image.Image:
    """Red grows from left to right, green from top to bottom, both from 0 to 255."""
    red = np.broadcast_to((np.arange(width) + 0.5) / width, (height, width))
    green = np.broadcast_to(((np.arange(height) + 0.5) / height)[:, None], (height, width))
    return Image.fromarray(np.rint(255 * np.stack([red, green, 0 * red], axis=2)).astype(np.uint8))


def colour_of(data: bytes) -> tuple[int, ...]:
    """The one colour of an image."""
    array = load(data, SQUISH).pixels
    assert (array == array[0, 0]).all()
    return tuple(int(value) for value in array[0, 0])
