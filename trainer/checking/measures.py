"""What is measured on the pixels of one image. Arrays in, numbers out.

All of it is measured at one fixed size, so that a photo of 12 megapixels and a thumbnail can be compared, and so that
it is about what a network sees: a photo that is a little soft at its full size is sharp at 160 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.pixels import PixelSpec, UInt8Array

# The whole image, squished. The features of `thorough` are made for the same size, so one decode does for both.
MEASURED = PixelSpec(size=160, resize_short=160, mode="squish")

_EDGE_REDUCTION = 2  # edges are measured at 80 pixels: less noise of cameras and of JPEG
_EDGE_PERCENT = 99  # of the Laplacian: the steepest edges, without single bright pixels
_LIGHT_PERCENT, _DARK_PERCENT = 95, 5
ONE_COLOUR_SPREAD = 0.05  # an image with less than this has one colour: of 255 values, 13
_LEAST_RANGE = 8  # of 255: less contrast than this is noise


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Numbers about one image.

    Attributes:
        brightness: Mean luma, 0 (black) to 1 (white).
        light: Luma that 95 % of the pixels do not exceed, 0 to 1: low if even the light parts are dark.
        dark: Luma that 95 % of the pixels reach, 0 to 1: high if even the dark parts are light.
        spread: Largest range, over the three colours, between the 5th and the 95th percentile, 0 to 1: low if the image
            has one colour.
        sharpness: How much of its own contrast the image changes from a pixel to the next one at its steepest edges, 0
            to about 4. Low if it is blurred. It is about a 4th of the square of the width of an edge, in pixels.
    """

    brightness: float
    light: float
    dark: float
    spread: float
    sharpness: float


def measure(pixels: UInt8Array) -> Measures:
    """Measure one image, uint8 [S, S, 3], RGB."""
    image = Image.fromarray(pixels)
    luma = image.convert("L")
    histogram = np.array(luma.histogram(), dtype=np.int64)
    dark, light = (_percentile(histogram, percent) for percent in (_DARK_PERCENT, _LIGHT_PERCENT))
    channels = np.array(image.histogram(), dtype=np.int64).reshape(3, 256)
    spread = max(_percentile(c, _LIGHT_PERCENT) - _percentile(c, _DARK_PERCENT) for c in channels)
    return Measures(
        brightness=float(histogram @ np.arange(256) / histogram.sum() / 255),
        light=light / 255,
        dark=dark / 255,
        spread=spread / 255,
        sharpness=_sharpness(luma.reduce(_EDGE_REDUCTION)),
    )


def _sharpness(luma: Image.Image) -> float:
    """The 99th percentile of the absolute Laplacian, divided by the range of the luma (1st to 99th percentile).

    The variance of the Laplacian is the usual measure (Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield
    microscopy"). This one does not change with contrast, so a dark image is not a blurred one; and since the steepest
    edges decide, a sharp object on a soft background is sharp.
    """
    values = np.asarray(luma).astype(np.int16)
    laplacian = values[1:-1, :-2] + values[1:-1, 2:] + values[:-2, 1:-1] + values[2:, 1:-1] - 4 * values[1:-1, 1:-1]
    histogram = np.bincount(np.asarray(luma).ravel(), minlength=256)
    edges = np.bincount(np.abs(laplacian).ravel(), minlength=1021)
    contrast = _percentile(histogram, _EDGE_PERCENT) - _percentile(histogram, 100 - _EDGE_PERCENT)
    return _percentile(edges, _EDGE_PERCENT) / max(_LEAST_RANGE, contrast)


def _percentile(histogram: npt.NDArray[np.int64], percent: float) -> int:
    """The lowest value that `percent` of the counted values do not exceed."""
    return int(np.searchsorted(np.cumsum(histogram), percent / 100 * histogram.sum()))
