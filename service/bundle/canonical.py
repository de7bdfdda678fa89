"""Canonical JSON: sorted keys, UTF-8, no NaN; duplicate keys are refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from service.bundle.errors import BundleRefused


def dump(value: object) -> bytes:
    """Encode as canonical JSON with a newline at the end; raises ValueError for NaN and infinities."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    return text.encode() + b"\n"


def parse_object(data: bytes, name: str) -> dict[str, Any]:
    """Decode a JSON object; raises BundleRefused that names the file `name`."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        # What JSON cannot say again (1e999, which reads as infinity; half a surrogate pair) is no JSON of ours.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise BundleRefused(f"{name} is not canonical JSON: {error}") from error
    if not isinstance(value, dict):
        raise BundleRefused(f"{name} holds no JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")
