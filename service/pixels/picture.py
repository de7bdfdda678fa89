"""One image, from its bytes to the array: every step of the pixel contract in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.pixels.decoding import draft, first_frame
from service.pixels.errors import ImageError, UndecodableImage
from service.pixels.fitting import Box, fit
from service.pixels.formats import open_image
from service.pixels.hazards import check_before_decoding, check_before_opening
from service.pixels.limits import Limits
from service.pixels.spec import PixelSpec
from service.pixels.upright import MIRRORED_ACROSS, MIRRORED_DOWN, is_turned, orientation_of, upright_rgb

# Counts up when this package gives other pixels than before; caches of decoded images are then made anew.
DECODER_VERSION = 1
UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """One decoded image.

    pixels         uint8 [size, size, 3], RGB: exactly what the model sees
    format         the format found by content: JPEG, MPO, PNG, WEBP, GIF, BMP, AVIF or HEIF
    width, height  of the upright original, pixels
    box            (left, top, right, bottom) of what `pixels` shows, in upright original pixels; with mode
                   `pad` it reaches beyond the image
    """

    pixels: UInt8Array
    format: str
    width: int
    height: int
    box: Box


def load(data: bytes, spec: PixelSpec, *, limits: Limits | None = None) -> Picture:
    """Decode an encoded image into the array that the model sees.

    It takes at most 12 bytes for each of `limits.max_pixels`, beside `data`. Raises UnsupportedImage and
    UndecodableImage, nothing else whatever the bytes are (MemoryError aside).
    """
    try:
        return _load(data, spec, limits or Limits())
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        # Pillow's decoders raise nearly any type on hostile bytes (struct.error, SyntaxError, KeyError, ...); all
        # of them say one thing about the image, so this boundary is the one place that takes every exception.
        raise UndecodableImage(f"The image cannot be decoded; it may be damaged ({_reason(error)}).") from error


@dataclass(frozen=True, kw_only=True)
class _Upright:
    """An image in RGB, and what it is of.

    covered  how many of its columns and rows the original covers: a reduced JPEG has part of its last ones beyond it
    """

    image: Image.Image
    orientation: int
    covered: tuple[float, float]
    format: str
    width: int
    height: int


def _load(data: bytes, spec: PixelSpec, limits: Limits) -> Picture:
    upright = _decode(data, spec, limits)
    # What is beyond the original goes where the orientation takes it.
    image, (across, down) = upright.image, upright.covered
    left = image.width - across if upright.orientation in MIRRORED_ACROSS else 0.0
    top = image.height - down if upright.orientation in MIRRORED_DOWN else 0.0
    square, box = fit(image, (left, top, left + across, top + down), upright.width, upright.height, spec)
    return Picture(
        pixels=np.asarray(square, dtype=np.uint8),
        format=upright.format,
        width=upright.width,
        height=upright.height,
        box=box,
    )


def _decode(data: bytes, spec: PixelSpec, limits: Limits) -> _Upright:
    """Returning lets go of the stored pixels."""
    check_before_opening(data, limits)
    with open_image(data) as image:
        found, (width, height) = str(image.format), image.size
        check_before_decoding(image, data, limits)
        covered = draft(image, spec.resize_short)
        frame = first_frame(image)
        orientation = orientation_of(image)
        rgb = upright_rgb(frame, orientation)
    if is_turned(orientation):
        width, height, covered = height, width, covered[::-1]
    return _Upright(image=rgb, orientation=orientation, covered=covered, format=found, width=width, height=height)


def _reason(error: Exception) -> str:
    text = str(error).splitlines()
    return text[0][:120] if text and text[0] else type(error).__name__
