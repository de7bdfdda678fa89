"""The largest accepted images: of every format, in the variant that costs its decoder the most memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from PIL import Image

from service import pixels
from tests.support.images import exif

_TURNED = exif(6)


def largest_images(max_pixels: int) -> Iterator[tuple[str, bytes]]:
    """(what it is, encoded image) of nearly `max_pixels` each; of few colours, so that the files are small."""
    side = int(max_pixels**0.5)
    clear = Image.new("RGBA", (side, side), (255, 0, 0, 128))
    red, grey, bits = (clear.convert(mode) for mode in ("RGB", "L", "1"))
    # So long that libjpeg does not reduce it for a model of 256 pixels.
    short = int((max_pixels / 50) ** 0.5)
    long = Image.new("CMYK", (50 * short, short), (0, 255, 255, 0))
    frames: dict[str, Any] = {"save_all": True, "append_images": [red.rotate(180)]}
    yield "PNG, alpha, turned", _encode(clear, "PNG", exif=_TURNED, compress_level=1)
    yield "PNG, two frames, turned", _encode(red, "PNG", exif=_TURNED, compress_level=1, **frames)
    yield "PNG, 16 bits, turned", _encode(grey.convert("I;16"), "PNG", exif=_TURNED, compress_level=1)
    yield "JPEG, progressive, turned", _encode(red, "JPEG", exif=_TURNED, progressive=True, subsampling=0)
    yield "JPEG, long, CMYK, turned", _encode(long, "JPEG", exif=_TURNED, progressive=True, subsampling=0)
    yield "WebP, alpha, turned", _encode(clear, "WEBP", exif=_TURNED, method=0)
    yield "WebP, lossless, turned", _encode(clear, "WEBP", exif=_TURNED, method=0, lossless=True, quality=0)
    yield "GIF, clear", _encode(grey, "GIF", transparency=7)
    yield "BMP, 1 bit", _encode(bits, "BMP")
    yield "AVIF, turned", _encode(red, "AVIF", exif=_TURNED, speed=10)
    if "HEIF" in pixels.formats():
        yield "HEIF, alpha, turned", _encode(clear, "HEIF", exif=_TURNED)


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
