"""Request bodies that are JSON objects, and images in them as base64."""

from __future__ import annotations

import binascii
import json
from typing import Any, NoReturn

from service.problem import Problem

# A value of one byte can take a hundred bytes in memory. Requests have few values, however long these are.
_MAX_VALUES = 1000


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
    """Decode an image from base64; raises Problem 400."""
    if not isinstance(text, str):
        raise Problem(400, "The image must be a string: its bytes in base64.")
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise Problem(400, "The image is not base64 (of the standard alphabet, padded, on one line).") from error
    if not data:
        raise Problem(400, "The image is empty.")
    return data


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
