"""Request bodies that are JSON objects, and images inside them as base64."""

from __future__ import annotations

import binascii
import json
from typing import Any, NoReturn

from service.web.problem import Problem

# A value of one byte can cost a hundred in memory; what we take has few values, however long they are.
_MAX_VALUES = 1000


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object that the body is; raises Problem 400."""
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > _MAX_VALUES:
        raise Problem(400, f"The JSON has more than {_MAX_VALUES:,} values.")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "The request body is not JSON.") from error
    if not isinstance(value, dict):
        raise Problem(400, "The JSON is not an object.")
    return value


def image_of(text: object) -> bytes:
    """The image that a text holds as base64; raises Problem 400."""
    if not isinstance(text, str):
        raise Problem(400, "The image must be a text, its bytes as base64.")
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise Problem(400, "The image is not base64 (of the standard alphabet, padded, on one line).") from error
    if not data:
        raise Problem(400, "The image is empty.")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")
