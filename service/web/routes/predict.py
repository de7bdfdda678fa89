"""POST /v1/predict: what is in an image, or what the model saw of it."""

from __future__ import annotations

import functools
import io
import time

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.pixels import UInt8Array
from service.predictor import Predictor
from service.settings import Settings
from service.web.engine.engine import Engine
from service.web.problem import Problem
from service.web.routes.answers import Answer, full_answer
from service.web.routes.operation import UPLOAD_PROBLEMS, Operation, describe
from service.web.routes.query import QUERY_PARAMETERS, Query
from service.web.upload.upload import UPLOAD_BODY, Upload, read_upload


class Predict:
    """The handler."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    @describe(
        Operation(
            summary="What is in an image",
            parameters=QUERY_PARAMETERS,
            body=UPLOAD_BODY,
            answers={"application/json": Answer, "image/png": bytes},
            problems=UPLOAD_PROBLEMS,
        )
    )
    async def post(self, request: Request) -> Response:
        """Answer one image; what can be refused without reading the body is refused first."""
        predictor = self._engine.predictor
        query = Query.parse(request.scope["query_string"])
        if query.heatmap and not predictor.has_heatmaps:
            raise Problem(400, "This model gives no heatmaps.")
        upload = await read_upload(request, settings=self._settings)
        start = time.perf_counter()
        return await self._engine.run(functools.partial(_respond, upload, query, predictor, start))


def _respond(upload: Upload, query: Query, predictor: Predictor, start: float) -> Response:
    """On a worker thread: everything from the request's bytes to the answer's."""
    data = upload.take_image()
    if query.return_input:
        pixels = predictor.load(data).pixels
        return Response(_png(pixels), media_type="image/png", headers={"X-Content-Type-Options": "nosniff"})
    prediction = predictor.predict(data, heatmap=query.heatmap)
    total_ms = 1e3 * (time.perf_counter() - start)
    return JSONResponse(full_answer(prediction, predictor, top_k=query.top_k, total_ms=total_ms))


def _png(pixels: UInt8Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
