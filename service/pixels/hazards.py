"""What bytes say of themselves that must be known before Pillow opens or decodes them."""

from __future__ import annotations

import re

from PIL import Image

from service.pixels.av1 import read_stream
from service.pixels.errors import UndecodableImage
from service.pixels.isobmff import MediaFile, Steps
from service.pixels.limits import Limits

_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")  # those that a length follows, and the end of the image
_MAX_JPEG_SCANS = 100
_BMP_RUN_LENGTHS = (1, 2)
_MAX_AVIF_PARTS = 20_000


def check_before_opening(data: bytes, limits: Limits) -> None:
    """Pillow's WebP reader allocates its canvas when it opens the file. Raises UndecodableImage."""
    canvas = _webp_canvas(data)
    if canvas is not None:
        limits.check_size(*canvas)


def check_before_decoding(image: Image.Image, data: bytes, limits: Limits) -> None:
    """Raises UndecodableImage for an image over the limits, or that would take long or much memory to decode."""
    limits.check_size(*image.size)
    match image.format:
        case "JPEG" | "MPO":
            _check_scans(data)
        case "BMP" if image.info.get("compression") in _BMP_RUN_LENGTHS:
            # Pillow decodes these a pixel at a time in Python: 30 kB would keep every thread waiting for seconds.
            raise UndecodableImage("The image is a BMP with run-length compression, which is not taken here.")
        case "AVIF":
            limits.check_bytes(_avif_bytes(image, data))
        case "HEIF":
            limits.check_bytes(_heif_bytes(image))


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


def _avif_bytes(image: Image.Image, data: bytes) -> float:
    """Memory to decode an AVIF, at most: the frames in the decoder, then its pixels and Pillow's copy of them.

    libavif makes frames of whatever size their own headers say, and scales them to what the file says.
    """
    steps = Steps(_MAX_AVIF_PARTS)
    media = MediaFile(data, steps)
    parts = [*media.items(), *media.first_samples()]
    streams = [stream for part in parts if (stream := read_stream(part, steps)) is not None]
    if not streams:
        raise UndecodableImage("The image cannot be decoded; it may be damaged.")
    channels, pixels = len(image.getbands()), image.width * image.height
    needed = sum(stream.needed for stream in streams) + 2 * channels * pixels
    if any(stream.size != image.size for stream in streams):  # put together of tiles, or scaled: once more
        planes = 2 if image.has_transparency_data else 1
        needed += planes * pixels * max(stream.bytes_per_pixel for stream in streams)
    return needed


def _heif_bytes(image: Image.Image) -> float:
    """The same for HEIF, as measured; libheif itself refuses frames larger than the file says."""
    if image.info.get("chroma") == 420:
        return 12 * image.width * image.height
    each = 5.1 if image.info.get("bit_depth", 16) > 8 else 3.1
    return each * len(image.getbands()) * image.width * image.height
