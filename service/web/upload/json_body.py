"""Request bodies that are JSON objects, and images in them as base64."""

from __future__ import annotations

import binascii
import json
import re
from typing import Any, NoReturn

from service.problem import Problem

# A value of one byte can take a hundred bytes in memory. Requests have few values, however long these are.
_MAX_VALUES = 1000
_DATA_SCHEME, _DATA_BASE64 = "data:", ";base64"  # RFC 2397
# From the URL-safe alphabet to that of the standard, without white space.
_STANDARD_ALPHABET = str.maketrans("-_", "+/", " \t\r\n")


def looks_like_object(data: bytes) -> bool:
    """Return whether a body is a JSON object rather than an image: no format of images starts like one."""
    return re.match(rb"\s*\{", data) is not None


def parse_object(data: bytes) -> dict[str, Any]:
    """Parse a body that is a JSON object; raises Problem 400."""
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > _MAX_VALUES:
        raise Problem(400, f"The JSON has more than {_MAX_VALUES:,} values.")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "The request body is not JSON.") from error
    if not isinstance(value, dict):
        raise Problem(400, "The JSON is not an object.")
    return value


def decode_image(text: object) -> bytes:
    """Decode an image from base64, as encoders write it; raises Problem 400.

    Line breaks, the URL-safe alphabet (RFC 4648, 5), missing padding and the start of a data: URI are accepted.
    """
    if not isinstance(text, str):
        raise Problem(400, "The image must be a string: its bytes in base64.")
    if text[: len(_DATA_SCHEME)].lower() == _DATA_SCHEME:
        head, comma, text = text.partition(",")
        if not comma or not head.lower().endswith(_DATA_BASE64):
            raise Problem(400, "The data: URI of the image is not base64: it must start like 'data:image/png;base64,'.")
    text = text.translate(_STANDARD_ALPHABET)
    if "=" not in text:
        text += "=" * (-len(text) % 4)
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise Problem(
            400, "The image is not base64: only letters, digits, + and / (or - and _), with = at the end alone."
        ) from error
    if not data:
        raise Problem(400, "The image is empty.")
    return data


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
