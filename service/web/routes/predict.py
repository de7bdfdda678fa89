"""POST /v1/predict: classify an image, or return what the model sees of it."""

from __future__ import annotations

import functools
import io
import time

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.pixels import UInt8Array
from service.predictor import NO_HEATMAPS, Predictor
from service.problem import Problem
from service.responses import PredictionResponse, prediction_response
from service.web import record
from service.web.engine import Engine
from service.web.routes.endpoint import UPLOAD_PROBLEMS, Operation, describe
from service.web.routes.inference import classify_image, load_image
from service.web.routes.query import QUERY_PARAMETERS, Query
from service.web.upload.upload import UPLOAD_BODY, Upload, UploadLimits, read_upload


class PredictHandler:
    """The handler."""

    def __init__(self, engine: Engine, uploads: UploadLimits) -> None:
        self._engine = engine
        self._uploads = uploads

    @describe(
        Operation(
            name="predict",
            summary="Classify an image",
            parameters=QUERY_PARAMETERS,
            body=UPLOAD_BODY,
            responses={"application/json": PredictionResponse, "image/png": bytes},
            problems=UPLOAD_PROBLEMS,
        )
    )
    async def post(self, request: Request) -> Response:
        """Classify one image. What can be rejected without reading the body is rejected first."""
        self._engine.permits.check()
        predictor = self._engine.predictor
        query = Query.parse(request.scope["query_string"])
        if query.heatmap and not predictor.has_heatmaps:
            raise Problem(400, f"{NO_HEATMAPS[0].upper()}{NO_HEATMAPS[1:]}.")
        upload = await read_upload(request, limits=self._uploads)
        received = time.perf_counter()
        with self._engine.permits.take():  # given back before a slow client receives the response
            return await self._engine.run(functools.partial(_respond, upload, query, predictor, received))


def _respond(upload: Upload, query: Query, predictor: Predictor, received: float) -> Response:
    """Run on a worker thread: from the body of the request to the response."""
    request = record.current()
    data = upload.take_image()
    request.lap("parse")
    if query.return_input:
        pixels = load_image(data, predictor).pixels
        return Response(_png(pixels), media_type="image/png", headers={"X-Content-Type-Options": "nosniff"})
    prediction = classify_image(data, predictor, heatmap=query.heatmap)
    total_ms = 1e3 * (time.perf_counter() - received)
    return JSONResponse(prediction_response(prediction, predictor, top_k=query.top_k, total_ms=total_ms))


def _png(pixels: UInt8Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
