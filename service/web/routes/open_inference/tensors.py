"""The tensors of the model, and the types of the protocol's requests and responses, named as in its specification."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

# Names of the tensors.
INPUT = "image"
LABELS = "labels"
PROBABILITIES = "probabilities"

Datatype = Literal["BYTES", "FP32"]
Parameters = Annotated[dict[str, Any], {"description": "see the protocol's extensions"}]
Base64 = Annotated[str, {"contentEncoding": "base64"}]


class TensorMetadataResponse(TypedDict):
    """An input or output of the model; -1 stands for a length that varies."""

    name: str
    datatype: Datatype
    shape: list[int]


class ModelMetadataResponse(TypedDict):
    """The inputs and outputs of the model."""

    name: str
    versions: list[str]
    platform: Literal["onnxruntime_onnx"]
    inputs: list[TensorMetadataResponse]
    outputs: list[TensorMetadataResponse]


class ModelReadyResponse(TypedDict):
    """The model is ready."""

    name: str
    ready: Literal[True]


class ServerMetadataResponse(TypedDict):
    """The program, and which extensions of the protocol it supports."""

    name: Literal["fieldguide"]
    version: str
    extensions: list[str]


class ServerLiveResponse(TypedDict):
    """The process is alive."""

    live: Literal[True]


class ServerReadyResponse(TypedDict):
    """Images can be classified."""

    ready: Literal[True]


class InputRequest(TypedDict):
    """The encoded image as one element: in `data` as base64, or after the JSON with `binary_data_size`."""

    name: Literal["image"]
    datatype: Literal["BYTES"]
    shape: Annotated[list[Literal[1]], {"minItems": 1, "maxItems": 2}]
    parameters: NotRequired[Parameters]
    data: NotRequired[list[Base64] | list[list[Base64]]]


class OutputRequest(TypedDict):
    """A requested output; `binary_data` and `classification` are its parameters."""

    name: Literal["labels", "probabilities"]
    parameters: NotRequired[Parameters]


class InferenceRequest(TypedDict):
    """A request to classify one image."""

    id: NotRequired[str]
    parameters: NotRequired[Parameters]
    inputs: Annotated[list[InputRequest], {"minItems": 1, "maxItems": 1}]
    outputs: NotRequired[list[OutputRequest]]


class OutputResponse(TypedDict):
    """One output; if its parameters have a `binary_data_size`, its data follow the JSON."""

    name: str
    datatype: Datatype
    shape: list[int]
    parameters: NotRequired[Parameters]
    data: NotRequired[list[str] | list[float]]


class InferenceResponse(TypedDict):
    """The prediction for the image."""

    model_name: str
    model_version: str
    id: NotRequired[str]
    outputs: list[OutputResponse]
