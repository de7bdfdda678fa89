"""The one model under its name and version: metadata, readiness, inference."""

from __future__ import annotations

import functools
from typing import Literal, TypedDict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.predictor import Predictor
from service.settings import Settings
from service.web.engine.engine import Engine
from service.web.problem import Problem
from service.web.routes.open_inference.answer import encode_answer
from service.web.routes.open_inference.request import InferRequest
from service.web.routes.open_inference.tensors import (
    INPUT,
    LABELS,
    PROBABILITIES,
    InferAnswer,
    InferBody,
    TensorMetadata,
)
from service.web.routes.operation import UPLOAD_PROBLEMS, Operation, Parameter, describe
from service.web.upload.upload import kind_of, read_bytes

_JSON_BYTES = "Inference-Header-Content-Length"
_KINDS = ("", "application/json", "application/octet-stream")  # the protocol's own client names none
_NAMED = (404, 503)


class ModelMetadata(TypedDict):
    """What the model takes and gives."""

    name: str
    versions: list[str]
    platform: Literal["onnxruntime_onnx"]
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReady(TypedDict):
    """Whether the model answers."""

    name: str
    ready: Literal[True]


class InferenceModel:
    """The handlers; each raises Problem 404 for the name or version of another model."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    @describe(Operation(summary="The model's tensors", answers={"application/json": ModelMetadata}, problems=_NAMED))
    async def metadata(self, request: Request) -> Response:
        """Name, versions and tensors of the model, as the Open Inference Protocol says them."""
        predictor = self._named(request)
        metadata: ModelMetadata = {
            "name": predictor.name,
            "versions": [predictor.version],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [1]}],
            "outputs": [
                {"name": LABELS, "datatype": "BYTES", "shape": [-1]},
                {"name": PROBABILITIES, "datatype": "FP32", "shape": [len(predictor.spec.classes)]},
            ],
        }
        return JSONResponse(metadata)

    @describe(Operation(summary="Whether the model answers", answers={"application/json": ModelReady}, problems=_NAMED))
    async def ready(self, request: Request) -> Response:
        """As /readyz."""
        ready: ModelReady = {"name": self._named(request).name, "ready": True}
        self._engine.vitals.check_ready()
        return JSONResponse(ready)

    @describe(
        Operation(
            summary="What is in an image, by the Open Inference Protocol",
            parameters=(
                Parameter(
                    name=_JSON_BYTES,
                    kind=int,
                    help="how many bytes of the body are JSON, where tensors follow it",
                    where="header",
                ),
            ),
            body={"application/json": InferBody, "application/octet-stream": bytes},
            answers={"application/json": InferAnswer, "application/octet-stream": bytes},
            problems=(404, *UPLOAD_PROBLEMS),
        )
    )
    async def infer(self, request: Request) -> Response:
        """The encoded image is a BYTES tensor of one element, as base64 in the JSON or as bytes after it."""
        predictor = self._named(request)
        json_bytes = _json_bytes(request)
        kind = kind_of(request.headers)
        if kind not in _KINDS:
            raise Problem(415, f"The Content-Type {kind[:50]!r} is not taken here; send application/json.")
        body = await read_bytes(request, settings=self._settings)
        return await self._engine.run(functools.partial(_respond, body, json_bytes, predictor))

    def _named(self, request: Request) -> Predictor:
        predictor = self._engine.predictor
        name = request.path_params["name"]
        version = request.path_params.get("version", predictor.version)
        if (name, version) != (predictor.name, predictor.version):
            raise Problem(404, f"The model here is {predictor.name!r}, version {predictor.version!r}.")
        return predictor


def _json_bytes(request: Request) -> int | None:
    text = request.headers.get(_JSON_BYTES)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Problem(400, f"The {_JSON_BYTES} header is not a number.")
    return int(text)


def _respond(body: bytes, json_bytes: int | None, predictor: Predictor) -> Response:
    """On a worker thread: everything from the request's bytes to the answer's."""
    asked = InferRequest.parse(body, json_bytes=json_bytes)
    content, answer_json_bytes = encode_answer(predictor.predict(asked.image), asked, predictor)
    if answer_json_bytes is None:
        return Response(content, media_type="application/json")
    headers = {_JSON_BYTES: str(answer_json_bytes)}
    return Response(content, media_type="application/octet-stream", headers=headers)
