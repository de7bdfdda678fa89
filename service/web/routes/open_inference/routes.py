"""The paths of the protocol: the server, and the one model under its name and version."""

from __future__ import annotations

import functools

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service import __version__
from service.predictor import Predictor
from service.problem import Problem
from service.web import record
from service.web.engine import Engine
from service.web.routes.endpoint import UPLOAD_PROBLEMS, Endpoint, Operation, Parameter, describe
from service.web.routes.health import HealthHandlers
from service.web.routes.inference import classify_image
from service.web.routes.open_inference.request import ParsedRequest
from service.web.routes.open_inference.response import encode_response
from service.web.routes.open_inference.tensors import (
    INPUT,
    LABELS,
    PROBABILITIES,
    InferenceRequest,
    InferenceResponse,
    ModelMetadataResponse,
    ModelReadyResponse,
    ServerLiveResponse,
    ServerMetadataResponse,
    ServerReadyResponse,
)
from service.web.upload.upload import UploadLimits, is_unnamed, media_type_of, read_bytes

_JSON_BYTES_HEADER = "Inference-Header-Content-Length"
_MODEL_PROBLEMS = (404, 503)


def open_inference_routes(engine: Engine, uploads: UploadLimits, health: HealthHandlers) -> list[Route]:
    """Create the routes under /v2. A model's name may contain slashes, so the longer paths come first."""
    server, model = ServerHandlers(health), ModelHandlers(engine, uploads)
    with_version, without_version = "/v2/models/{name:path}/versions/{version}", "/v2/models/{name:path}"
    return [
        Route("/v2", Endpoint(get=server.metadata)),
        Route("/v2/health/live", Endpoint(get=server.live)),
        Route("/v2/health/ready", Endpoint(get=server.ready)),
        *(
            Route(path + suffix, endpoint)
            for suffix, endpoint in (
                ("/infer", Endpoint(post=model.infer)),
                ("/ready", Endpoint(get=model.ready)),
                ("", Endpoint(get=model.metadata)),
            )
            for path in (with_version, without_version)
        ),
    ]


class ServerHandlers:
    """Metadata and health of the service."""

    def __init__(self, health: HealthHandlers) -> None:
        self._health = health

    @describe(
        Operation(
            name="v2_server_metadata",
            summary="Name and version of the server",
            responses={"application/json": ServerMetadataResponse},
        )
    )
    async def metadata(self, _request: Request) -> Response:
        """Return the server's name, version and extensions of the protocol."""
        metadata: ServerMetadataResponse = {
            "name": "fieldguide",
            "version": __version__,
            "extensions": ["binary_tensor_data", "classification"],
        }
        return JSONResponse(metadata)

    @describe(
        Operation(
            name="v2_server_live",
            summary="Whether the process is alive",
            responses={"application/json": ServerLiveResponse},
            problems=(503,),
            public=True,
        )
    )
    async def live(self, request: Request) -> Response:
        """Like /livez."""
        await self._health.live(request)
        return JSONResponse({"live": True})

    @describe(
        Operation(
            name="v2_server_ready",
            summary="Whether images can be classified",
            responses={"application/json": ServerReadyResponse},
            problems=(503,),
            public=True,
        )
    )
    async def ready(self, request: Request) -> Response:
        """Like /readyz."""
        await self._health.ready(request)
        return JSONResponse({"ready": True})


class ModelHandlers:
    """Metadata, readiness and inference of the model. Each raises Problem 404 for another name or version."""

    def __init__(self, engine: Engine, uploads: UploadLimits) -> None:
        self._engine = engine
        self._uploads = uploads

    @describe(
        Operation(
            name="v2_model_metadata",
            summary="The inputs and outputs of the model",
            responses={"application/json": ModelMetadataResponse},
            problems=_MODEL_PROBLEMS,
        )
    )
    async def metadata(self, request: Request) -> Response:
        """Return the model's name, versions, inputs and outputs."""
        predictor = self._predictor(request)
        metadata: ModelMetadataResponse = {
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

    @describe(
        Operation(
            name="v2_model_ready",
            summary="Whether the model is ready",
            responses={"application/json": ModelReadyResponse},
            problems=_MODEL_PROBLEMS,
        )
    )
    async def ready(self, request: Request) -> Response:
        """Like /readyz."""
        ready: ModelReadyResponse = {"name": self._predictor(request).name, "ready": True}
        self._engine.health.check_ready()
        return JSONResponse(ready)

    @describe(
        Operation(
            name="v2_model_infer",
            summary="Classify an image, by the Open Inference Protocol",
            parameters=(
                Parameter(
                    name=_JSON_BYTES_HEADER,
                    annotation=int,
                    description="length of the JSON at the start of the body, if tensors follow it",
                    location="header",
                ),
            ),
            body={"application/json": InferenceRequest, "application/octet-stream": bytes},
            responses={"application/json": InferenceResponse, "application/octet-stream": bytes},
            problems=(404, *UPLOAD_PROBLEMS),
        )
    )
    async def infer(self, request: Request) -> Response:
        """Classify an image, given as a BYTES tensor of one element: base64 in the JSON, or bytes after it."""
        self._engine.permits.check()
        predictor = self._predictor(request)
        json_bytes = _json_bytes(request)
        media_type = media_type_of(request.headers)
        if media_type != "application/json" and not is_unnamed(media_type):  # the protocol's own client sends none
            raise Problem(415, f"The Content-Type {media_type[:50]!r} is not accepted; send application/json.")
        body = await read_bytes(request, limits=self._uploads)
        with self._engine.permits.take():
            return await self._engine.run(functools.partial(_respond, body, json_bytes, predictor))

    def _predictor(self, request: Request) -> Predictor:
        """Return the model, if its name and version are those of the path."""
        predictor = self._engine.predictor
        name = request.path_params["name"]
        version = request.path_params.get("version", predictor.version)
        if (name, version) != (predictor.name, predictor.version):
            raise Problem(404, f"The model here is {predictor.name!r}, version {predictor.version!r}.")
        return predictor


def _json_bytes(request: Request) -> int | None:
    text = request.headers.get(_JSON_BYTES_HEADER)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Problem(400, f"The {_JSON_BYTES_HEADER} header is not a number.")
    return int(text)


def _respond(body: bytes, json_bytes: int | None, predictor: Predictor) -> Response:
    """Run on a worker thread: from the body of the request to the response."""
    request = ParsedRequest.parse(body, json_bytes=json_bytes)
    record.current().lap("parse")
    content, response_json_bytes = encode_response(classify_image(request.image, predictor), request, predictor)
    if response_json_bytes is None:
        return Response(content, media_type="application/json")
    headers = {_JSON_BYTES_HEADER: str(response_json_bytes)}
    return Response(content, media_type="application/octet-stream", headers=headers)
