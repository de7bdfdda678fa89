"""Bytes -> an image that is kept, and its name. What the bytes are is decided by their content alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from service.pixels import ImageError, Limits, PixelSpec, UnsupportedImage, load
from trainer.collect.failures import Failure

_SUFFIXES = {
    "JPEG": ".jpg",
    "MPO": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "AVIF": ".avif",
    "HEIF": ".heic",
}
_NAME_DIGITS = 32
# The whole image is decoded to see whether all of it is there; a JPEG in an eighth of its size, which is faster.
CHECK_SPEC = PixelSpec(size=8, resize_short=8, mode="squish", filter="bilinear")


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What is known of an image.

    Attributes:
        sha256: Of its bytes, hexadecimal.
        bytes: Their number.
        format: Pillow's name of the format.
        width: Of the upright image, pixels.
        height: Of the upright image, pixels.
    """

    sha256: str
    bytes: int
    format: str
    width: int
    height: int

    @property
    def name(self) -> str:
        """Name of its file: the start of its hash, and the suffix of its format."""
        return self.sha256[:_NAME_DIGITS] + _SUFFIXES[self.format]


def check_image(content: bytes, limits: Limits) -> ImageFacts:
    """Decode an image as the trainer and the service do.

    Args:
        content: The bytes; they are not trusted.
        limits: Which images are accepted.

    Raises:
        Failure: It is not an image, or one that cannot be decoded.
    """
    try:
        picture = load(content, CHECK_SPEC, limits=limits)
    except UnsupportedImage as error:
        raise Failure("not-an-image", str(error)) from error
    except ImageError as error:
        raise Failure("undecodable", str(error)) from error
    return ImageFacts(
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        format=picture.format,
        width=picture.width,
        height=picture.height,
    )
