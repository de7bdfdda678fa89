"""The original of what the network is fed, with the crop drawn on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from service.pixels import PixelSpec, UInt8Array, load

_PIXELS = 320  # of the longer side
_OUTSIDE = 0.4  # brightness of what is outside of the crop
_OUTLINE_PIXELS = 3
_SUPERSAMPLING = 4


def outline_crop(data: bytes, corners: npt.NDArray[np.float32]) -> UInt8Array:
    """The upright image, reduced or enlarged to 320 pixels, dark outside of a crop.

    Args:
        data: The encoded image.
        corners: float32 [4, 2] of the crop, in fractions of the image's width and height.

    Returns:
        uint8 [H, W, 3].
    """
    padded = load(data, PixelSpec(size=_PIXELS, resize_short=_PIXELS, mode="pad"))
    left, top, right, _ = padded.box
    scale = _PIXELS / (right - left), _PIXELS / (padded.box[3] - top)
    first_x, first_y = round(-left * scale[0]), round(-top * scale[1])
    width, height = max(1, round(padded.width * scale[0])), max(1, round(padded.height * scale[1]))
    image = padded.pixels[first_y : first_y + height, first_x : first_x + width]
    height, width = image.shape[:2]

    large = (width * _SUPERSAMPLING, height * _SUPERSAMPLING)
    inside, line = Image.new("L", large), Image.new("L", large)
    polygon = [(float(x) * large[0], float(y) * large[1]) for x, y in corners]
    ImageDraw.Draw(inside).polygon(polygon, fill=255)
    ImageDraw.Draw(line).line([*polygon, polygon[0]], 255, 2 * _OUTLINE_PIXELS * _SUPERSAMPLING, joint="curve")
    shown, white = (
        np.asarray(mask.resize((width, height), Image.Resampling.BOX), dtype=np.float32)[..., np.newaxis] / 255
        for mask in (inside, line)
    )
    white = white * shown  # the inner half of the line: it is seen at the border of the image, too
    lit = image * (_OUTSIDE + (1 - _OUTSIDE) * shown)
    return np.asarray((lit * (1 - white) + 255 * white).round(), dtype=np.uint8)
