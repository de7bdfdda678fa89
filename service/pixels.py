"""Image bytes -> the uint8 array that the model sees.

This is the only preprocessing code there is: the service runs it on every request, and the trainer on every
validation image, every golden image and (with a `squish` spec) on every training image that enters its cache.
It uses Pillow and NumPy only. Scaling, mean and standard deviation happen inside the ONNX graph.

Errors:

    ImageError
    ├── UnsupportedImage   the bytes are not an image of a format that we take
    └── UndecodableImage   an image that cannot be decoded, or that is over a limit and will not be
"""

from __future__ import annotations

import functools
import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

# Counts up when this module gives other pixels than before; caches of decoded images are then made anew.
DECODER_VERSION = 1
Mode = Literal["crop", "squish", "pad"]
Filter = Literal["bicubic", "bilinear"]
UInt8Array = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_ORIENTATION_TAG = 0x0112
# EXIF orientation -> the transposition that makes the stored image upright (Exif 2.32, 4.6.4 A).
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MIRRORED_ACROSS, _MIRRORED_DOWN = (2, 3, 6, 7), (3, 4, 7, 8)
_JPEG_REDUCTIONS = (8, 4, 2)
_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")  # those that a length follows, and the end of the image
_MAX_JPEG_SCANS = 100
_BMP_RUN_LENGTHS = (1, 2)
_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_MAX_SPEC_SIDE = 4096


class ImageError(Exception):
    """An image that gives no array. The message is a sentence fit for the person who sent the image."""


class UnsupportedImage(ImageError):
    """The bytes are not an image of a format that we take."""


class UndecodableImage(ImageError):
    """An image that cannot be decoded, or that is over a limit and will not be."""


@dataclass(frozen=True, kw_only=True)
class PixelSpec:
    """How an upright image becomes the model's square input. Travels in the bundle.

    size          side of the square output, pixels
    resize_short  `crop`: the short side is resized to this before the centre crop; otherwise equal to size
    mode          `crop` (resize, then centre crop), `squish` (aspect ratio given up) or `pad` (black bars)
    filter        resampling filter, always antialiased
    """

    size: int
    resize_short: int
    mode: Mode = "crop"
    filter: Filter = "bicubic"

    def __post_init__(self) -> None:
        for name in ("size", "resize_short"):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= _MAX_SPEC_SIDE:
                raise ValueError(f"pixels.{name} is {value!r}, not an integer from 1 to {_MAX_SPEC_SIDE}")
        if self.mode not in get_args(Mode):
            raise ValueError(f"pixels.mode is {self.mode!r}, not one of {', '.join(get_args(Mode))}")
        if self.filter not in get_args(Filter):
            raise ValueError(f"pixels.filter is {self.filter!r}, not one of {', '.join(get_args(Filter))}")
        if self.mode == "crop" and self.resize_short < self.size:
            raise ValueError("pixels.resize_short is smaller than pixels.size: the crop would not be filled")
        if self.mode != "crop" and self.resize_short != self.size:
            raise ValueError(f"pixels.resize_short must equal pixels.size when the mode is {self.mode}")

    def to_json(self) -> dict[str, int | str]:
        """The spec as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PixelSpec:
        """Read what `to_json` wrote; raises ValueError that names the field."""
        expected = {"size", "resize_short", "mode", "filter"}
        if set(value) != expected:
            raise ValueError(f"pixels must have exactly the fields {', '.join(sorted(expected))}")
        return cls(**value)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an image may be before any pixel is allocated.

    max_pixels      width x height, pixels
    max_side_ratio  long side / short side
    """

    max_pixels: int = 50_000_000
    max_side_ratio: int = 50


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

    Raises UnsupportedImage and UndecodableImage, nothing else whatever the bytes are (MemoryError aside).
    """
    limits = limits or Limits()
    try:
        return _load(data, spec, limits)
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        # Pillow's decoders raise nearly any type on hostile bytes (struct.error, SyntaxError, KeyError, ...); all
        # of them say one thing about the image, so this boundary is the one place that takes every exception.
        raise UndecodableImage(f"The image cannot be decoded; it may be damaged ({_reason(error)}).") from error


def _load(data: bytes, spec: PixelSpec, limits: Limits) -> Picture:
    _quiet()
    canvas = _webp_canvas(data)
    if canvas is not None:  # Pillow's WebP reader allocates its canvas when it opens the file
        _check_limits(*canvas, limits)
    with _open(data) as image:
        found = str(image.format)
        _check_limits(*image.size, limits)
        stored_width, stored_height = image.size
        covered: tuple[float, float] = image.size
        if found in ("JPEG", "MPO"):
            _check_scans(data)
            covered = _draft(image, spec.resize_short)
        elif found == "BMP" and image.info.get("compression") in _BMP_RUN_LENGTHS:
            # Pillow decodes these a pixel at a time in Python: 30 kB would keep every thread waiting for seconds.
            raise UndecodableImage("The image is a BMP with run-length compression, which is not taken here.")
        image.load()
        orientation = _orientation(image)
        upright = _to_rgb(image)
    if orientation in _TRANSPOSITIONS:
        upright = upright.transpose(_TRANSPOSITIONS[orientation])
    width, height = stored_width, stored_height
    if orientation >= 5:
        width, height, covered = stored_height, stored_width, (covered[1], covered[0])
    # What a reduced JPEG has beyond the image (part of its last column and row) goes where the orientation takes it.
    left = upright.width - covered[0] if orientation in _MIRRORED_ACROSS else 0.0
    top = upright.height - covered[1] if orientation in _MIRRORED_DOWN else 0.0
    square, box = _fit(upright, (left, top, left + covered[0], top + covered[1]), width, height, spec)
    return Picture(pixels=np.asarray(square, dtype=np.uint8), format=found, width=width, height=height, box=box)


def _quiet() -> None:
    """Keep Pillow from warning of what a stranger's bytes hold: Python would print and remember every such text.

    The filter stays, since `warnings.catch_warnings` is not for threads.
    """
    if warnings.filters[:1] != [_QUIET]:
        warnings.filterwarnings("ignore", module=_QUIET[3].pattern)


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=formats())
    except UnidentifiedImageError as error:
        if _begins_as_image(data):
            raise UndecodableImage("The image cannot be decoded; it may be damaged.") from error
        raise UnsupportedImage(
            f"This is not an image of a format that is taken here ({', '.join(formats())})."
        ) from error
    except Image.DecompressionBombError as error:
        raise UndecodableImage("The image has more pixels than are taken here.") from error


def _begins_as_image(data: bytes) -> bool:
    accepts = (Image.OPEN[name][1] for name in formats())
    return any(accept is not None and accept(data[:16]) is True for accept in accepts)


@functools.cache
def formats() -> tuple[str, ...]:
    """The formats that are taken, by Pillow's names; HEIF among them where pillow-heif is installed."""
    always = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
    try:
        import pillow_heif
    except ImportError:
        return always
    pillow_heif.register_heif_opener()
    return (*always, "HEIF")


def _check_limits(width: int, height: int, limits: Limits) -> None:
    if width < 1 or height < 1:
        raise UndecodableImage(f"The image is {width} x {height} pixels: there is nothing to see.")
    if width * height > limits.max_pixels:
        raise UndecodableImage(
            f"The image is {width} x {height} pixels, more than the {limits.max_pixels:,} pixels that are taken here."
        )
    if max(width, height) > limits.max_side_ratio * min(width, height):
        raise UndecodableImage(
            f"The image is {width} x {height} pixels: one side is more than {limits.max_side_ratio} times the other."
        )


def _webp_canvas(data: bytes) -> tuple[int, int] | None:
    """(width, height) from a WebP header (RFC 9649); None where the bytes begin with none."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None

    def number(start: int, stop: int) -> int:
        return int.from_bytes(data[start:stop], "little")

    kind = data[12:16]
    if kind == b"VP8L" and len(data) >= 25:
        bits = number(21, 25)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8X" and len(data) >= 30:
        return 1 + number(24, 27), 1 + number(27, 30)
    if kind == b"VP8 " and len(data) >= 30:
        return number(26, 28) & 0x3FFF, number(28, 30) & 0x3FFF
    return None


def _check_scans(data: bytes) -> None:
    """Refuse a JPEG of very many scans: each is a pass over all pixels, however few bytes it has."""
    if data.count(b"\xff\xda") <= _MAX_JPEG_SCANS:  # nearly always; thumbnails and trailing data count as well
        return
    scans, position = 0, 2
    while (marker := _JPEG_MARKER.search(data, position)) and marker[1] != b"\xd9":
        scans += marker[1] == b"\xda"
        if scans > _MAX_JPEG_SCANS:
            raise UndecodableImage(f"The image is a JPEG of more than {_MAX_JPEG_SCANS} scans.")
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")


def _draft(image: Image.Image, resize_short: int) -> tuple[float, float]:
    """Let libjpeg scale while it decodes, keeping the short side at least twice what is needed.

    Returns how many of the scaled columns and rows the image covers: 577 pixels at an eighth are 72.125 of 73.
    """
    width, height = image.size
    for reduction in _JPEG_REDUCTIONS:
        if -(-min(width, height) // reduction) >= 2 * resize_short:
            drafted = image.draft(None, (width // reduction, height // reduction))
            return drafted[1][2:] if drafted else (width, height)
    return width, height


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; whatever is broken counts as 1."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001  (Pillow's EXIF reader raises nearly any type; the pixels are still good)
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey: convert() would clip what it should scale
        wide = np.asarray(image).astype(np.uint32)
        np.minimum(wide, 65535, out=wide)
        wide[wide == image.info.get("transparency", -1)] = 65535
        wide += 128  # in place: there may be 50 million
        wide //= 257
        return Image.fromarray(wide.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white
    return image.convert("RGB")


def _fit(image: Image.Image, part: Box, width: int, height: int, spec: PixelSpec) -> tuple[Image.Image, Box]:
    """Resize that part and crop to the square; geometry from the original upright size, as torchvision does it."""
    resample = _FILTERS[spec.filter]
    size = spec.size
    if spec.mode == "squish":
        return image.resize((size, size), resample, box=part), (0.0, 0.0, float(width), float(height))
    short, long = min(width, height), max(width, height)
    if spec.mode == "pad":
        other = max(1, int(size * short / long))
        new_width, new_height = (size, other) if width >= height else (other, size)
    else:
        other = max(1, int(spec.resize_short * long / short))
        new_width, new_height = (other, spec.resize_short) if width >= height else (spec.resize_short, other)
    left, top = round((new_width - size) / 2), round((new_height - size) / 2)
    resized = image.resize((new_width, new_height), resample, box=part)
    square = resized.crop((left, top, left + size, top + size))  # beyond the image (pad) Pillow fills with black
    across, down = width / new_width, height / new_height
    return square, (left * across, top * down, (left + size) * across, (top + size) * down)


def _reason(error: Exception) -> str:
    text = str(error).splitlines()
    return text[0][:120] if text and text[0] else type(error).__name__
