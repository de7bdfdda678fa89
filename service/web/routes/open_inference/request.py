"""Parses the bytes of an inference request."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from service.problem import Problem
from service.web.routes.open_inference.tensors import INPUT, LABELS, PROBABILITIES
from service.web.upload.json_body import decode_image, parse_object


@dataclass(frozen=True, kw_only=True)
class RequestedOutput:
    """One tensor of the response.

    Attributes:
        name: "labels" or "probabilities".
        binary: Whether its data follow the JSON.
        class_count: How many classes to return as `probability:index:label` in place of the numbers; 0: the numbers.
    """

    name: str
    binary: bool
    class_count: int = 0


@dataclass(frozen=True, kw_only=True)
class ParsedRequest:
    """An inference request.

    Attributes:
        image: The encoded image.
        id: The client's own id for the request.
        outputs: The tensors of the response.
    """

    image: bytes
    id: str | None
    outputs: tuple[RequestedOutput, ...]

    @classmethod
    def parse(cls, body: bytes, *, json_bytes: int | None) -> ParsedRequest:
        """Parse a body.

        Args:
            body: JSON, which tensors may follow.
            json_bytes: Length of the JSON; None if all of the body is JSON.

        Raises:
            Problem: 400 for a malformed request.
        """
        if json_bytes is not None and json_bytes > len(body):
            raise Problem(400, "The Inference-Header-Content-Length is longer than the request body.")
        binary = b"" if json_bytes is None else body[json_bytes:]
        value = parse_object(body[:json_bytes])
        request_id = value.get("id")
        if request_id is not None and not isinstance(request_id, str):
            raise Problem(400, "The id must be a string.")
        return cls(image=_image(value, binary), id=request_id, outputs=_outputs(value))


def _image(value: dict[str, Any], binary: bytes) -> bytes:
    inputs = value.get("inputs")
    if not (isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict)):
        raise Problem(400, "The inputs must be a list of one tensor.")
    tensor = inputs[0]
    if tensor.get("name") != INPUT or tensor.get("datatype") != "BYTES":
        raise Problem(400, f"The input must have the name {INPUT!r} and the datatype 'BYTES'.")
    if tensor.get("shape") not in ([1], [1, 1]):
        raise Problem(400, "The shape of the input must be [1]: one image in a request.")
    size = _parameters(tensor).get("binary_data_size")
    if size is not None:
        return _element(binary, size)
    if binary:
        raise Problem(400, "There are bytes after the JSON, but the input has no binary_data_size.")
    data = tensor.get("data")
    while isinstance(data, list) and len(data) == 1:
        data = data[0]
    return decode_image(data)


def _element(binary: bytes, size: object) -> bytes:
    """Return the one element of a BYTES tensor, which follows its length (four bytes, little-endian)."""
    if type(size) is not int or size != len(binary):
        raise Problem(400, "The binary_data_size is not the number of bytes after the JSON.")
    if size <= 4 or struct.unpack_from("<I", binary)[0] != size - 4:
        raise Problem(400, "The binary tensor is not one element: its length in four bytes, then an image.")
    return binary[4:]


def _outputs(value: dict[str, Any]) -> tuple[RequestedOutput, ...]:
    all_binary = _flag(_parameters(value), "binary_data_output", default=False)
    items = value.get("outputs")
    if items is None or items == []:
        return tuple(RequestedOutput(name=name, binary=all_binary) for name in (LABELS, PROBABILITIES))
    if not (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
        raise Problem(400, "The outputs must be a list of tensors.")
    outputs = tuple(_output(item, all_binary) for item in items)
    if len({output.name for output in outputs}) < len(outputs):
        raise Problem(400, "An output is listed twice in outputs.")
    return outputs


def _output(item: dict[str, Any], all_binary: bool) -> RequestedOutput:
    if item.get("name") not in (LABELS, PROBABILITIES):
        raise Problem(400, f"An output must be {LABELS!r} or {PROBABILITIES!r}.")
    parameters = _parameters(item)
    class_count = parameters.get("classification", 0)
    if type(class_count) is not int or class_count < 0 or (class_count and item["name"] != PROBABILITIES):
        raise Problem(
            400, f"The parameter classification must be a whole number, and belongs to the output {PROBABILITIES!r}."
        )
    binary = _flag(parameters, "binary_data", default=all_binary)
    return RequestedOutput(name=item["name"], binary=binary, class_count=class_count)


def _parameters(value: dict[str, Any]) -> dict[str, Any]:
    parameters = value.get("parameters", {})
    if not isinstance(parameters, dict):
        raise Problem(400, "The parameters must be an object.")
    return parameters


def _flag(parameters: dict[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise Problem(400, f"The parameter {name} must be true or false.")
    return value
