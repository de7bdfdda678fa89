"""Load one image: every step from its bytes to the array, in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.pixels.decoding import draft, first_frame, open_image
from service.pixels.errors import ImageError, UndecodableImage, undecodable
from service.pixels.jpeg import with_end_marker
from service.pixels.preflight import check_before_decoding, check_before_opening
from service.pixels.spec import Limits, PixelSpec
from service.pixels.transforms import (
    REVERSED_X,
    REVERSED_Y,
    Box,
    exif_orientation,
    resize_to_square,
    swaps_sides,
    upright_rgb,
)

# Increase it if this package gives other pixels than before: caches of decoded images are then made again.
DECODER_VERSION = 2
UInt8Array = npt.NDArray[np.uint8]
_UNREDUCED = 1 << 30  # a short side for which no JPEG is reduced while it is decoded


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """One decoded image.

    Attributes:
        pixels: uint8 [size, size, 3], RGB: exactly what the model sees.
        format: Format found by content: JPEG, MPO, PNG, WEBP, GIF, BMP, AVIF or HEIF.
        width: Width of the upright original, pixels.
        height: Height of the upright original, pixels.
        box: What `pixels` shows: left, top, right and bottom in pixels of the upright original. With mode `pad` it
            reaches beyond the image.
    """

    pixels: UInt8Array
    format: str
    width: int
    height: int
    box: Box


def load(data: bytes, spec: PixelSpec, *, limits: Limits | None = None) -> Picture:
    """Decode an encoded image into the array that the model sees.

    Besides `data`, it takes at most 12 bytes of memory per pixel of `limits.max_pixels`.

    Args:
        data: The encoded image. It may hold anything: it is not trusted.
        spec: Geometry of the model's input.
        limits: Which images are accepted; by default `Limits()`.

    Raises:
        UnsupportedImage: The bytes are not an image in an accepted format.
        UndecodableImage: The image cannot be decoded, or it is over a limit.
        MemoryError: There is too little memory. Nothing else is ever raised.
    """
    with _any_error_as_undecodable():
        return _load(data, spec, limits or Limits())


def decode(data: bytes, *, limits: Limits | None = None, short_side: int | None = None) -> Image.Image:
    """Decode an encoded image: upright, RGB over white. `load` makes the model's input of it.

    Args:
        data: The encoded image; it is not trusted.
        limits: Which images are accepted; by default `Limits()`.
        short_side: A large JPEG may be reduced while it is decoded, which is faster, as long as its short side stays
            at least twice this many pixels; None: the image keeps its own size.

    Raises:
        UnsupportedImage, UndecodableImage, MemoryError: As for `load`.
    """
    with _any_error_as_undecodable():
        return _decode(data, short_side or _UNREDUCED, limits or Limits()).image


def from_image(image: Image.Image, spec: PixelSpec) -> Picture:
    """Turn an image that Pillow has opened, or that was made in memory, into the array that the model sees.

    Every step after decoding is that of `load`. A large JPEG may give slightly other pixels than its file does there,
    because `load` lets libjpeg reduce it while it decodes. There are no limits on the size: the image is the caller's.

    Args:
        image: The image. It is loaded if it is not yet, and not changed otherwise.
        spec: Geometry of the model's input.

    Raises:
        UndecodableImage: The image has no pixels, or Pillow cannot load it.
    """
    if not image.width or not image.height:
        raise UndecodableImage("The image has no pixels.")
    orientation = exif_orientation(image)
    try:
        image.load()
        rgb = upright_rgb(image, orientation)
    except (OSError, ValueError, SyntaxError) as error:
        raise undecodable(error) from error
    whole = (0.0, 0.0, float(rgb.width), float(rgb.height))
    square, box = resize_to_square(rgb, whole, rgb.size, spec)
    pixels = np.asarray(square, dtype=np.uint8)
    return Picture(pixels=pixels, format=image.format or "array", width=rgb.width, height=rgb.height, box=box)


@dataclass(frozen=True, kw_only=True)
class _Decoded:
    """An upright RGB image, perhaps reduced.

    Attributes:
        image: The image.
        part: Box of `image` that holds the original: a reduced JPEG's last column and row may reach beyond it.
        format: Format of the file.
        original_size: Width and height of the upright original, pixels.
    """

    image: Image.Image
    part: Box
    format: str
    original_size: tuple[int, int]


@contextmanager
def _any_error_as_undecodable() -> Iterator[None]:
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        # Pillow's decoders raise nearly any type on hostile bytes (struct.error, SyntaxError, KeyError, ...). All of
        # them mean that the image is damaged, so this boundary is the one place that catches every exception.
        raise undecodable(error) from error


def _load(data: bytes, spec: PixelSpec, limits: Limits) -> Picture:
    decoded = _decode(data, spec.resize_short, limits)
    square, box = resize_to_square(decoded.image, decoded.part, decoded.original_size, spec)
    width, height = decoded.original_size
    pixels = np.asarray(square, dtype=np.uint8)
    return Picture(pixels=pixels, format=decoded.format, width=width, height=height, box=box)


def _decode(data: bytes, resize_short: int, limits: Limits) -> _Decoded:
    """Check and decode. A JPEG that lacks only its end marker is decoded with one."""
    check_before_opening(data, limits)
    try:
        return _decode_once(data, resize_short, limits)
    except OSError as error:  # how Pillow reports a truncated file
        failure = error.with_traceback(None)  # the traceback holds what was decoded
    whole = with_end_marker(data)
    if whole is None:
        raise failure
    return _decode_once(whole, resize_short, limits)


def _decode_once(data: bytes, resize_short: int, limits: Limits) -> _Decoded:
    """Open, decode and turn upright. A function of its own, so that its return releases the stored pixels."""
    with open_image(data) as image:
        image_format, size = str(image.format), image.size
        check_before_decoding(image, data, limits)
        covered = draft(image, resize_short)
        frame = first_frame(image)
        orientation = exif_orientation(image)
        rgb = upright_rgb(frame, orientation)
    if swaps_sides(orientation):
        size, covered = size[::-1], covered[::-1]
    return _Decoded(image=rgb, part=_part(rgb, covered, orientation), format=image_format, original_size=size)


def _part(image: Image.Image, covered: tuple[float, float], orientation: int) -> Box:
    """Return the box of the upright image that the original covers; the orientation may move it to the far edge."""
    width, height = covered
    left = image.width - width if orientation in REVERSED_X else 0.0
    top = image.height - height if orientation in REVERSED_Y else 0.0
    return left, top, left + width, top + height
