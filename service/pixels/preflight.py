"""Checks on the encoded bytes, before Pillow opens or decodes them."""

from __future__ import annotations

from PIL import Image

from service.pixels.av1 import read_stream_info
from service.pixels.errors import DAMAGED, UndecodableImage
from service.pixels.isobmff import MediaFile, PartBudget
from service.pixels.jpeg import START_OF_SCAN, segments
from service.pixels.spec import Limits

_MAX_JPEG_SCANS = 100
_BMP_RUN_LENGTH_COMPRESSIONS = (1, 2)
_MAX_AVIF_PARTS = 20_000


def check_before_opening(data: bytes, limits: Limits) -> None:
    """Check the size of a WebP canvas: Pillow's WebP reader allocates it when it opens the file.

    Raises:
        UndecodableImage: The canvas is over the limits.
    """
    canvas = _webp_canvas(data)
    if canvas is not None:
        limits.check_size(*canvas)


def check_before_decoding(image: Image.Image, data: bytes, limits: Limits) -> None:
    """Check what it will cost to decode an opened image.

    Raises:
        UndecodableImage: The image is over the limits, or would take long or much memory to decode.
    """
    limits.check_size(*image.size)
    match image.format:
        case "JPEG" | "MPO":
            _check_scans(data)
        case "BMP" if image.info.get("compression") in _BMP_RUN_LENGTH_COMPRESSIONS:
            # Pillow decodes these pixel by pixel in Python: 30 kB would block every thread for seconds.
            raise UndecodableImage("The image is a BMP with run-length compression, which is not accepted.")
        case "AVIF":
            limits.check_memory(_avif_bytes(image, data))
        case "HEIF":
            limits.check_memory(_heif_bytes(image))


def _webp_canvas(data: bytes) -> tuple[int, int] | None:
    """Return width and height from a WebP header (RFC 9649), None if there is no such header."""
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
    """Refuse a JPEG with very many scans: each one is a pass over all pixels, however few bytes it has."""
    if data.count(bytes((0xFF, START_OF_SCAN))) <= _MAX_JPEG_SCANS:  # nearly always; thumbnails and the rest count too
        return
    scans = 0
    for marker, _ in segments(data):
        scans += marker == START_OF_SCAN
        if scans > _MAX_JPEG_SCANS:
            raise UndecodableImage(
                f"The image is a JPEG with more than {_MAX_JPEG_SCANS} scans, which is not accepted."
            )


def _avif_bytes(image: Image.Image, data: bytes) -> float:
    """Return the most memory that decoding an AVIF takes: frames in the decoder, its pixels and Pillow's copy of them.

    The size of the frames is read from their own headers: libavif allocates frames of that size, and only then scales
    them to the size that the file declares.
    """
    budget = PartBudget(_MAX_AVIF_PARTS)
    media = MediaFile(data, budget)
    parts = [*media.items(), *media.first_samples()]
    streams = [info for part in parts if (info := read_stream_info(part, budget)) is not None]
    if not streams:
        raise UndecodableImage(DAMAGED)
    channels, pixels = len(image.getbands()), image.width * image.height
    needed_bytes = sum(stream.decoder_bytes for stream in streams) + 2 * channels * pixels
    if any(stream.size != image.size for stream in streams):  # libavif joins tiles or scales: one more copy
        planes = 2 if image.has_transparency_data else 1
        needed_bytes += planes * pixels * max(stream.bytes_per_pixel for stream in streams)
    return needed_bytes


def _heif_bytes(image: Image.Image) -> float:
    """Return the same for HEIF, as measured. libheif itself refuses frames larger than the file declares."""
    if image.info.get("chroma") == 420:
        return 12 * image.width * image.height
    bytes_per_sample = 5.1 if image.info.get("bit_depth", 16) > 8 else 3.1
    return bytes_per_sample * len(image.getbands()) * image.width * image.height
