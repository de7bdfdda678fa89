"""Encoded images of every kind that is read by code of its own, some of them written byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from service import pixels

ORIENTATION = 0x0112
# The transposition that a camera "did" to the upright image so that this orientation undoes it.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
# How to save so that little or nothing is lost, and the largest difference that is left.
FAITHFUL: dict[str, tuple[dict[str, Any], int]] = {
    "PNG": ({}, 0),
    "WEBP": ({"lossless": True, "exact": True}, 0),
    "JPEG": ({"quality": 100, "subsampling": 0}, 3),
    "AVIF": ({"quality": 100, "subsampling": "4:4:4", "speed": 10}, 3),
    "HEIF": ({"quality": -1, "chroma": 444, "matrix_coefficients": 0}, 3),
}


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(width * 100_003 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def blocks(width: int, height: int) -> Image.Image:
    """Noise of 16 x 16 blocks, which survives lossy formats; sizes in blocks."""
    return noise(width, height).resize((16 * width, 16 * height), Image.Resampling.NEAREST)


def exif(orientation: int | bytes, *, kind: int = 3, count: int | None = None) -> bytes:
    """EXIF data of one orientation; four raw bytes of any TIFF field type instead of a number break it."""
    value = orientation if isinstance(orientation, bytes) else struct.pack(">HH", orientation, 0)
    count = count or (1 if kind == 3 else 4)
    return b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHL", ORIENTATION, kind, count) + value + bytes(4)


def flat(mode: str, colour: Any, size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new(mode, size, colour)


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(size: tuple[int, int], depth: int, colour_type: int, pixel: bytes, *extra: bytes) -> bytes:
    """A PNG file of one repeated pixel, written by hand for the kinds that Pillow does not write."""
    width, height = size
    rows = (b"\0" + pixel * width) * height
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def with_chunk(data: bytes, kind: bytes, content: bytes) -> bytes:
    """The PNG with one more chunk right after its header."""
    return data[:33] + chunk(kind, content) + data[33:]


def bmp(width: int, height: int, *, bits: int = 24, compression: int = 0, body: bytes = b"") -> bytes:
    palette = bytes(4 << bits) if bits <= 8 else b""
    start = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + palette + body


def gif(width: int, height: int, *, frame: tuple[int, int] = (1, 1), disposal: int = 0) -> bytes:
    return (
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
        b"!\xf9\x04" + bytes([disposal << 2]) + b"\0\0\0\0"
        b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x44\x01\x00;"
    )  # fmt: skip


def webp(kind: bytes, payload: bytes) -> bytes:
    body = b"WEBP" + kind + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(20))


def webp_lossless(width: int, height: int, *, tail: bytes = b"") -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14) + tail)


def webp_extended(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", b"\x02\0\0\0" + sides)


def jpeg_header(width: int, height: int) -> bytes:
    data = bytearray(encode(flat("L", 0), "JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """The JPEG with segments (marker, then content) right after its first marker."""
    joined = b"".join(s[:2] + struct.pack(">H", len(s)) + s[2:] for s in segments)
    return jpeg[:2] + joined + jpeg[2:]


def with_scans(jpeg: bytes, count: int) -> bytes:
    """The progressive JPEG with its last scan (and that scan's Huffman table) repeated to have `count` scans."""
    last = jpeg[jpeg.rindex(b"\xff\xc4") : -2]
    return jpeg[:-2] + last * (count - jpeg.count(b"\xff\xda")) + jpeg[-2:]


def accepted_formats() -> list[str]:
    return [name for name in pixels.formats() if name in FAITHFUL]


# Little data that says it is very many pixels.
BOMBS = (
    png((65535, 65535), 8, 2, b"").replace(b"\0" * 65535, b""),
    png((9000, 9000), 8, 2, b"").replace(b"\0" * 9000, b""),
    gif(65535, 65535),
    gif(9000, 9000),
    gif(1, 1, frame=(65535, 65535), disposal=2),
    webp_lossy(16383, 16383),
    webp_lossy(9000, 9000),
    webp_lossless(16384, 16384),
    webp_lossless(9000, 9000),
    webp_lossless(9000, 9000, tail=bytes(100)),
    webp_extended(65535, 65535),
    webp_extended(9000, 9000),
    bmp(65535, 65535),
    bmp(9000, 9000),
    jpeg_header(65500, 65500),
    jpeg_header(9000, 9000),
)


def seeds() -> dict[str, bytes]:
    """One small file of every kind that is read by code of its own."""
    image = noise(24, 20)
    frames = {"save_all": True, "append_images": [noise(24, 20).rotate(180)]}
    return {
        **{kind: encode(image, kind, exif=exif(6)) for kind in accepted_formats()},
        "JPEG, progressive": encode(image, "JPEG", progressive=True, comment=b"c", icc_profile=bytes(200)),
        "JPEG, CMYK": encode(image.convert("CMYK"), "JPEG"),
        "MPO": encode(image, "MPO", **frames),
        "PNG, palette": encode(image.quantize(16), "PNG", transparency=bytes(range(16))),
        "PNG, 16 bits": encode(Image.fromarray(np.arange(480, dtype=np.uint16).reshape(20, 24))),
        "APNG": encode(image, "PNG", **frames),
        "WEBP, lossless": encode(image.convert("RGBA"), "WEBP", lossless=True),
        "WEBP, animated": encode(image, "WEBP", **frames),
        "GIF": encode(image.quantize(16), "GIF", transparency=1, comment=b"c"),
        "GIF, animated": encode(image, "GIF", disposal=2, **frames),
        "BMP": encode(image, "BMP"),
        "BMP, palette": encode(image.quantize(16), "BMP"),
    }


SEEDS = seeds()
