"""The bytes of an inference request -> what is asked."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from service.web.problem import Problem
from service.web.routes.open_inference.tensors import INPUT, LABELS, PROBABILITIES
from service.web.upload.json_body import image_of, parse_object


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One tensor of the answer.

    binary   after the JSON, not in it
    classes  how many classes to give as `probability:index:label` in place of the numbers; 0: the numbers
    """

    name: str
    binary: bool
    classes: int = 0


@dataclass(frozen=True, kw_only=True)
class InferRequest:
    """One image, the caller's own id for the request, and the tensors that are wanted."""

    image: bytes
    id: str | None
    outputs: tuple[Wanted, ...]

    @classmethod
    def parse(cls, body: bytes, *, json_bytes: int | None) -> InferRequest:
        """Read a body whose first `json_bytes` are JSON and the rest tensors (None: all JSON); raises Problem 400."""
        if json_bytes is not None and json_bytes > len(body):
            raise Problem(400, "The Inference-Header-Content-Length is longer than the request body.")
        binary = b"" if json_bytes is None else body[json_bytes:]
        value = parse_object(body[:json_bytes])
        given_id = value.get("id")
        if given_id is not None and not isinstance(given_id, str):
            raise Problem(400, "The id must be a text.")
        return cls(image=_image(value, binary), id=given_id, outputs=_outputs(value))


def _image(value: dict[str, Any], binary: bytes) -> bytes:
    inputs = value.get("inputs")
    if not (isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict)):
        raise Problem(400, "The inputs must be a list of one tensor.")
    tensor = inputs[0]
    if tensor.get("name") != INPUT or tensor.get("datatype") != "BYTES":
        raise Problem(400, f"The input must have the name {INPUT!r} and the datatype 'BYTES'.")
    if tensor.get("shape") not in ([1], [1, 1]):
        raise Problem(400, "The shape of the input must be [1]: one image a request.")
    size = _parameters(tensor).get("binary_data_size")
    if size is not None:
        return _element(binary, size)
    if binary:
        raise Problem(400, "There are bytes after the JSON, and no input with a binary_data_size.")
    data = tensor.get("data")
    while isinstance(data, list) and len(data) == 1:
        data = data[0]
    return image_of(data)


def _element(binary: bytes, size: object) -> bytes:
    """The one element of a BYTES tensor: its length, four bytes little-endian, then itself."""
    if type(size) is not int or size != len(binary):
        raise Problem(400, "The binary_data_size is not the number of bytes after the JSON.")
    if size <= 4 or struct.unpack_from("<I", binary)[0] != size - 4:
        raise Problem(400, "The binary tensor is not one element: its length in four bytes, then an image.")
    return binary[4:]


def _outputs(value: dict[str, Any]) -> tuple[Wanted, ...]:
    all_binary = _flag(_parameters(value), "binary_data_output", otherwise=False)
    asked = value.get("outputs")
    if asked is None or asked == []:
        return tuple(Wanted(name=name, binary=all_binary) for name in (LABELS, PROBABILITIES))
    if not (isinstance(asked, list) and all(isinstance(item, dict) for item in asked)):
        raise Problem(400, "The outputs must be a list of tensors.")
    wanted = tuple(_wanted(item, all_binary) for item in asked)
    if len({item.name for item in wanted}) < len(wanted):
        raise Problem(400, "An output stands twice in outputs.")
    return wanted


def _wanted(item: dict[str, Any], all_binary: bool) -> Wanted:
    if item.get("name") not in (LABELS, PROBABILITIES):
        raise Problem(400, f"An output must be {LABELS!r} or {PROBABILITIES!r}.")
    parameters = _parameters(item)
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0 or (classes and item["name"] != PROBABILITIES):
        raise Problem(400, f"The parameter classification must be a whole number, and one of {PROBABILITIES!r}.")
    binary = _flag(parameters, "binary_data", otherwise=all_binary)
    return Wanted(name=item["name"], binary=binary, classes=classes)


def _parameters(value: dict[str, Any]) -> dict[str, Any]:
    parameters = value.get("parameters", {})
    if not isinstance(parameters, dict):
        raise Problem(400, "The parameters must be an object.")
    return parameters


def _flag(parameters: dict[str, Any], name: str, *, otherwise: bool) -> bool:
    value = parameters.get(name, otherwise)
    if not isinstance(value, bool):
        raise Problem(400, f"The parameter {name} must be true or false.")
    return value
