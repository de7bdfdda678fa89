"""Canonical JSON: sorted keys, UTF-8, no NaN. Duplicate keys are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

from service.bundle.errors import BundleRefused

MAX_BYTES = 8 * 1024 * 1024  # of a JSON file; in memory it may take 25 times as much
_KINDS: Mapping[type, str] = {dict: "an object", list: "an array", str: "a string", int: "an integer"}
_Value = TypeVar("_Value", dict[str, Any], list[Any], str, int)


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
        BundleRefused: The text is not a JSON object or longer than `MAX_BYTES`, or has a duplicate key or a value that
            `dumps` refuses.
    """
    if len(data) > MAX_BYTES:
        raise BundleRefused(f"{name} is longer than {MAX_BYTES:,} bytes")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
        # Refuse values that json.loads reads but JSON cannot write: 1e999 (infinity), half a surrogate pair.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise BundleRefused(f"{name} is not canonical JSON: {error}") from error
    if not isinstance(value, dict):
        raise BundleRefused(f"{name} is not a JSON object")
    return value


def member(value: Mapping[str, Any], key: str, kind: type[_Value], where: str) -> _Value:
    """Return a field of a JSON object.

    Args:
        value: The object.
        key: Name of the field.
        kind: Type of its value: dict, list, str or int.
        where: Which object this is, for the message.

    Raises:
        BundleRefused: There is no such field, or its value has another type.
    """
    if key not in value:
        raise BundleRefused(f"{where} has no field {key!r}")
    found = value[key]
    if type(found) is not kind:
        raise BundleRefused(f"{where}: {key} is not {_KINDS[kind]}")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object has the same key twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
