"""Images inside a page, as `data:` URLs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

_QUALITY = 82  # of JPEG and WebP
_HEATMAP_PIXELS = 96
# Five of the 256 colours of inferno (matplotlib, CC0). The service's page draws its heatmaps with the same.
_HEATMAP_COLOURS = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]])
_HEATMAP_OPACITY = 0.72


def jpeg_url(pixels: npt.NDArray[np.uint8], *, max_pixels: int) -> str:
    """A JPEG of uint8 [H, W, 3], reduced if a side is over `max_pixels`."""
    image = Image.fromarray(pixels)
    if max(image.size) > max_pixels:
        image = ImageOps.contain(image, (max_pixels, max_pixels), Image.Resampling.LANCZOS)
    return _data_url(image, "jpeg")


def heatmap_url(values: npt.NDArray[np.floating[Any]]) -> str:
    """A WebP of float [h, w] in 0..1, to lay over an image; low values are transparent."""
    return _data_url(heatmap_image(values, size=(_HEATMAP_PIXELS, _HEATMAP_PIXELS)), "webp")


def heatmap_image(values: npt.NDArray[np.floating[Any]], *, size: tuple[int, int]) -> Image.Image:
    """An RGBA image of float [h, w] in 0..1, of this width and height, to lay over an image.

    Low values are transparent.
    """
    smooth = Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    heat = np.clip(np.asarray(smooth), 0, 1)
    stops = np.linspace(0, 1, len(_HEATMAP_COLOURS))
    channels = [np.interp(heat, stops, colour) for colour in _HEATMAP_COLOURS.T]
    rise = np.clip((heat - 0.1) / 0.7, 0, 1)
    alpha = 255 * _HEATMAP_OPACITY * rise**2 * (3 - 2 * rise)  # smoothstep
    return Image.fromarray(np.stack([*channels, alpha], axis=2).round().astype(np.uint8))


def png_url(shades: npt.NDArray[np.uint8], *, palette: Sequence[tuple[int, int, int, int]]) -> str:
    """A PNG of uint8 [H, W], the numbers of colours; each colour is red, green, blue and opacity, 0..255."""
    image = Image.fromarray(shades, "P")
    image.putpalette([channel for colour in palette for channel in colour[:3]])
    file = io.BytesIO()
    image.save(file, "png", transparency=bytes(colour[3] for colour in palette), optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _data_url(image: Image.Image, kind: str) -> str:
    file = io.BytesIO()
    image.save(file, kind, quality=_QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
