"""What the header of an image says besides its size: whether it is an animation, and which camera took it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from PIL import ExifTags, Image

from service.pixels.decoding import open_image
from service.text import printable

# A multi-picture JPEG (MPO) has further pictures too, but they are views or sizes of one photo.
_ANIMATED_FORMATS = ("AVIF", "GIF", "PNG", "WEBP")
_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},  # a phone's .jpg may be either, and both are JPEG
    "MPO": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "PNG": {".png"},
    "WEBP": {".webp"},
    "GIF": {".gif"},
    "BMP": {".bmp"},
    "AVIF": {".avif"},
    "HEIF": {".heic", ".heif"},
}
_LONGEST_CAMERA = 60


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a header says.

    Attributes:
        animated: Whether there is more than one frame.
        camera: Maker and model from EXIF; empty if they are not there.
    """

    animated: bool
    camera: str


def read_header(data: bytes) -> Header:
    """Read the header of an image that `service.pixels.load` decoded. What is broken in it counts as missing."""
    with open_image(data) as image:
        return Header(animated=_is_animated(image), camera=_camera(image))


def has_wrong_suffix(path: str, image_format: str) -> bool:
    """Whether the suffix of a file is that of another format than its content has."""
    suffix = PurePosixPath(path).suffix.casefold()
    return suffix in set().union(*_SUFFIXES.values()) and suffix not in _SUFFIXES[image_format]


def _is_animated(image: Image.Image) -> bool:
    try:
        return image.format in _ANIMATED_FORMATS and bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001  (Pillow raises nearly any type on a damaged second frame; the first one is good)
        return False


def _camera(image: Image.Image) -> str:
    if "exif" not in image.info:  # without this, Pillow would decode a PNG to look for it at the end
        return ""
    try:
        exif = image.getexif()
        words = [str(exif.get(tag, "")).strip(" \0") for tag in (ExifTags.Base.Make, ExifTags.Base.Model)]
    except Exception:  # noqa: BLE001  (as above)
        return ""
    if words[1].casefold().startswith(words[0].casefold()):
        words = words[1:]
    return printable(" ".join(word for word in words if word))[:_LONGEST_CAMERA]
