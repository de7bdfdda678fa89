"""The segments of a JPEG, and the repair of one that lacks only its end marker (ITU-T T.81)."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from itertools import islice

from PIL import Image

END_OF_IMAGE = b"\xff\xd9"
START_OF_SCAN = 0xDA
_START_OF_IMAGE = b"\xff\xd8"
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")  # markers with a length after them, and the end of the image
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_COEFFICIENTS = 64
# What is put in place of missing data: the shortest Huffman codes, and the longest ones. Patterns that are more alike
# sometimes give the same pixels, although a byte or two of the data are missing.
_FILLERS = (b"\x00" * 64, b"\xfe" * 64)
# What a disk leaves of a file that was never written to its end.
_PADDING = bytes(16)
# The check decodes the image four times, so it is not made for files that take long.
_MAX_SCANS, _MAX_SEGMENTS = 20, 1000
# First a quick look: most files that lack their end lack a lot of it.
_REDUCTIONS = (8, 1)
_ROWS = 64


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of every segment, up to the end of the image. Entropy-coded data are passed over."""
    position = 2
    while (marker := _MARKER.search(data, position)) and marker[0] != END_OF_IMAGE:
        start, position = marker.end() + 2, marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        yield marker[1][0], data[start:position]


def with_end_marker(data: bytes) -> bytes | None:
    """Return a JPEG that lacks only its end marker, or half of it, with that marker.

    libjpeg makes up what is missing. So the image is decoded with two different continuations: if the pixels are the
    same, none was missing.

    Args:
        data: A file that cannot be decoded as it is.

    Returns:
        The whole file; None if it lacks more, or is no JPEG.
    """
    if not data.startswith(_START_OF_IMAGE) or data.endswith((END_OF_IMAGE, _PADDING)):
        return None
    content = data.rstrip(END_OF_IMAGE[:1])
    if not _has_every_scan(content):
        return None
    try:
        for reduction in _REDUCTIONS:
            if len({_digest(content + filler + END_OF_IMAGE, reduction) for filler in _FILLERS}) > 1:
                return None
    except OSError:
        return None
    return content + END_OF_IMAGE


def _has_every_scan(data: bytes) -> bool:
    """Return whether the last scan has begun that every coefficient of every component needs."""
    bits: dict[int, list[int]] = {}  # component -> for each coefficient how many bits are missing; -1: it has not come
    scans, is_progressive = 0, False
    for marker, content in islice(segments(data), _MAX_SEGMENTS + 1):
        if marker in (*_SEQUENTIAL, _PROGRESSIVE):
            is_progressive = marker == _PROGRESSIVE
            bits = {component: [-1] * _COEFFICIENTS for component in content[6::3]}
        elif marker == START_OF_SCAN:
            scans += 1
            count = content[0] if content else 0
            if len(content) < 4 + 2 * count:
                return False
            first, last, approximation = content[1 + 2 * count : 4 + 2 * count]
            if not is_progressive:
                first, last, approximation = 0, _COEFFICIENTS - 1, 0
            for component in content[1 : 1 + 2 * count : 2]:
                covered = bits.get(component, [])[first : last + 1]
                bits.get(component, [])[first : last + 1] = [approximation & 15] * len(covered)
    return 0 < scans <= _MAX_SCANS and bool(bits) and not any(map(any, bits.values()))


def _digest(data: bytes, reduction: int) -> bytes:
    """Hash the pixels of a JPEG, a few rows at a time; raises OSError if it cannot be decoded."""
    digest = hashlib.sha256()
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        image.draft(None, (max(1, image.width // reduction), max(1, image.height // reduction)))
        image.load()
        for top in range(0, image.height, _ROWS):
            rows = image.crop((0, top, image.width, min(image.height, top + _ROWS)))
            digest.update(rows.tobytes())
    return digest.digest()
