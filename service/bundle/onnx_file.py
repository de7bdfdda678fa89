"""Check an ONNX file without the onnx package: its operator domains, and that it has no external data.

onnxruntime would load weights from other files, and run any operator that is registered with it. A bundle must make it
do neither, so this is checked before onnxruntime gets the bytes. The check reads the protobuf wire format
(https://protobuf.dev/programming-guides/encoding), and in it only the fields of onnx.proto that matter here.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.bundle.errors import BundleRefused

ALLOWED_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
_MAX_DEPTH = 16
_MAX_KEY = 2**32 - 1
_MAX_FIELDS = 2_000_000  # looked at; large networks have some 10,000
_DATA_LOCATION_DEFAULT = 0  # in the file itself
_VARINT = 0
_FIXED_64 = 1
_LENGTH_DELIMITED = 2
_FIXED_32 = 5

# Message -> {field number: kind of the field}. A kind that is itself a message is checked in turn.
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
    """Check the bytes of a model.

    Args:
        data: The file.
        name: Name of the file, for the message.

    Raises:
        BundleRefused: The file is not an ONNX model, has external data, or uses operators of a foreign domain.
    """
    try:
        found_graph = _Check(name).message(memoryview(data), "model", 0)
    except IndexError as error:
        raise BundleRefused(f"{name} is not an ONNX model: it ends in the middle of a field") from error
    except ValueError as error:
        raise BundleRefused(f"{name} is not an ONNX model: {error}") from error
    if not found_graph:
        raise BundleRefused(f"{name} is not an ONNX model: it has no graph")


class _Check:
    """The check of one file, which counts the fields that it has seen."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._field_count = 0

    def message(self, data: memoryview, message: str, depth: int) -> bool:
        """Check a message and the messages in it; return whether one of its fields is a graph."""
        if depth > _MAX_DEPTH:
            raise ValueError(f"nested more than {_MAX_DEPTH} deep")
        kinds = _MESSAGES[message]
        found_graph = False
        for number, wire_type, value in _fields(data):
            self._field_count += 1
            if self._field_count > _MAX_FIELDS:
                raise ValueError(f"it has more than {_MAX_FIELDS:,} fields")
            kind = kinds.get(number)
            if kind is None:
                continue
            if kind == "data_location":
                if wire_type == _VARINT and value != _DATA_LOCATION_DEFAULT:
                    raise BundleRefused(f"{self._name} keeps weights in another file (external data)")
                continue
            if not isinstance(value, memoryview):
                raise ValueError(f"field {number} of a {message} has wire type {wire_type}")
            if kind == "external_data":
                raise BundleRefused(f"{self._name} keeps weights in another file (external data)")
            if kind == "domain":
                domain = bytes(value).decode("utf-8")
                if domain not in ALLOWED_DOMAINS:
                    raise BundleRefused(f"{self._name} uses operators of the foreign domain {domain!r}")
                continue
            found_graph |= kind == "graph"
            self.message(value, kind, depth + 1)
        return found_graph


def _fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield number, wire type and value of every field; raise ValueError or IndexError if the bytes end too early."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        if key > _MAX_KEY:  # protobuf would drop the upper bits, and see another field
            raise ValueError("a field number is too large")
        number, wire_type = key >> 3, key & 7
        value: int | memoryview
        if wire_type == _VARINT:
            value, position = _varint(data, position)
        else:
            if wire_type == _LENGTH_DELIMITED:
                length, position = _varint(data, position)
            elif wire_type == _FIXED_64:
                length = 8
            elif wire_type == _FIXED_32:
                length = 4
            else:
                raise ValueError(f"unknown wire type {wire_type}")
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
            raise ValueError("a number has more than 64 bits")
