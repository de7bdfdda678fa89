"""Looks into an ONNX file without the onnx package: its operator domains, and whether its weights lie outside it.

Reads the protobuf wire format (https://protobuf.dev/programming-guides/encoding) along the few fields of
onnx.proto that matter here. onnxruntime would load weights from other files and run whatever operators were registered
with it; a bundle may make it do neither, so this is checked before onnxruntime sees the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.bundle.errors import BundleRefused

ALLOWED_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
_MAX_DEPTH = 16
_MAX_KEY = 2**32 - 1
_IN_THE_FILE = 0

# message -> {field number: what it is}; a message's name means "walk into it".
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "opset": {1: "domain"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 9: "opset", 10: "domain", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external_data", 14: "data_location"},
}


def check(data: bytes, name: str) -> None:
    """Raise BundleRefused where the file `name` is no ONNX model, has external data or foreign operators."""
    try:
        found_graph = _walk(memoryview(data), "model", name, 0)
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise BundleRefused(f"{name} is not an ONNX model: {error}") from error
    if not found_graph:
        raise BundleRefused(f"{name} is not an ONNX model: it holds no graph")


def _walk(data: memoryview, message: str, name: str, depth: int) -> bool:
    """Check one message and those within; says whether a graph was among its fields."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"nested more than {_MAX_DEPTH} deep")
    kinds = _MESSAGES[message]
    found_graph = False
    for number, wire_type, value in _fields(data):
        kind = kinds.get(number)
        if kind is None:
            continue
        if kind == "data_location":
            if wire_type == 0 and value != _IN_THE_FILE:
                raise BundleRefused(f"{name} keeps weights in another file (external data)")
            continue
        if not isinstance(value, memoryview):
            raise ValueError(f"field {number} of a {message} has wire type {wire_type}")
        if kind == "external_data":
            raise BundleRefused(f"{name} keeps weights in another file (external data)")
        if kind == "domain":
            domain = bytes(value).decode("utf-8")
            if domain not in ALLOWED_DOMAINS:
                raise BundleRefused(f"{name} uses operators of the foreign domain {domain!r}")
            continue
        found_graph |= kind == "graph"
        _walk(value, kind, name, depth + 1)
    return found_graph


def _fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """(field number, wire type, value) of every field; raises ValueError or IndexError where the bytes end too soon."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        if key > _MAX_KEY:  # protobuf would drop the upper bits and see another field than we do
            raise ValueError("a field number is too large")
        number, wire_type = key >> 3, key & 7
        value: int | memoryview
        if wire_type == 0:
            value, position = _varint(data, position)
        else:
            if wire_type == 2:
                length, position = _varint(data, position)
            elif wire_type in (1, 5):
                length = 8 if wire_type == 1 else 4
            else:
                raise ValueError(f"wire type {wire_type}")
            if length > len(data) - position:
                raise ValueError("a field is longer than its message")
            value = data[position : position + length]
            position += length
        yield number, wire_type, value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
