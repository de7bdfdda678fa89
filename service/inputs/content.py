"""Whether a file is an image, judged by its first bytes: for files whose name does not say so."""

from __future__ import annotations

from pathlib import Path

from service.inputs.files import open_file

_HEADER_BYTES = 32
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
_BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})  # of the header that follows the first 14 bytes
_BRANDS = (b"avi", b"he", b"mif1", b"msf1")  # of AVIF and HEIC: avif, avis, heic, heix, hevc ...


def is_image_content(path: Path) -> bool:
    """Whether the first bytes of a file are those of an image; False if it cannot be read. 32 bytes are read."""
    try:
        with open_file(path) as file:
            header = file.read(_HEADER_BYTES)
    except OSError:
        return False
    return (
        header.startswith(_SIGNATURES)
        or (header[:4] == b"RIFF" and header[8:12] == b"WEBP")
        or (header[:2] == b"BM" and int.from_bytes(header[14:18], "little") in _BMP_HEADER_SIZES)
        or (header[4:8] == b"ftyp" and header[8:12].startswith(_BRANDS))
    )
