"""The tensors of the one model, as metadata, requests and answers name them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

INPUT, LABELS, PROBABILITIES = "image", "labels", "probabilities"
Datatype = Literal["BYTES", "FP32"]
Parameters = Annotated[dict[str, Any], {"description": "see the protocol's extensions"}]
Base64 = Annotated[str, {"contentEncoding": "base64"}]


class TensorMetadata(TypedDict):
    """A tensor that the model takes or gives; -1 stands for a length that varies."""

    name: str
    datatype: Datatype
    shape: list[int]


class RequestInput(TypedDict):
    """The encoded image as one element: in `data` as base64, or after the JSON with `binary_data_size`."""

    name: Literal["image"]
    datatype: Literal["BYTES"]
    shape: Annotated[list[int], {"enum": [[1], [1, 1]]}]
    parameters: NotRequired[Parameters]
    data: NotRequired[list[Base64] | list[list[Base64]]]


class RequestOutput(TypedDict):
    """A tensor that is wanted; `binary_data` and `classification` are its parameters."""

    name: Literal["labels", "probabilities"]
    parameters: NotRequired[Parameters]


class InferBody(TypedDict):
    """A request for what is in one image."""

    id: NotRequired[str]
    parameters: NotRequired[Parameters]
    inputs: Annotated[list[RequestInput], {"minItems": 1, "maxItems": 1}]
    outputs: NotRequired[list[RequestOutput]]


class AnswerOutput(TypedDict):
    """One tensor of the answer; its data follow the JSON where its parameters have a `binary_data_size`."""

    name: str
    datatype: Datatype
    shape: list[int]
    parameters: NotRequired[Parameters]
    data: NotRequired[list[str] | list[float]]


class InferAnswer(TypedDict):
    """What is in the image."""

    model_name: str
    model_version: str
    id: NotRequired[str]
    outputs: list[AnswerOutput]
