"""Canonical JSON: sorted keys, UTF-8, no NaN. Duplicate keys are refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from service.bundle.errors import BundleRefused


def dumps(value: object) -> bytes:
    """Encode a value as canonical JSON, with a newline at the end.

    Raises:
        ValueError: The value holds a NaN, an infinity or half a surrogate pair.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    return text.encode() + b"\n"


def loads(data: bytes, name: str) -> dict[str, Any]:
    """Decode a JSON object.

    Args:
        data: The JSON text; keys may be in any order.
        name: Name of the file, for the message.

    Raises:
        BundleRefused: The text is not a JSON object, or has a duplicate key or a value that `dumps` refuses.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
        # Refuse values that json.loads reads but JSON cannot write: 1e999 (infinity), half a surrogate pair.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise BundleRefused(f"{name} is not canonical JSON: {error}") from error
    if not isinstance(value, dict):
        raise BundleRefused(f"{name} is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object has the same key twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
