"""POST /analyze: the route of the well-known fast.ai starter app, so that its clients keep working."""

from __future__ import annotations

import functools

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.predictor import Predictor
from service.responses import AnalyzeResponse, analyze_response
from service.web import record
from service.web.engine import Engine
from service.web.routes.endpoint import UPLOAD_PROBLEMS, Operation, describe
from service.web.routes.inference import classify_image
from service.web.upload.upload import UPLOAD_BODY, Upload, UploadLimits, read_upload


class AnalyzeHandler:
    """The handler."""

    def __init__(self, engine: Engine, uploads: UploadLimits) -> None:
        self._engine = engine
        self._uploads = uploads

    @describe(
        Operation(
            name="analyze",
            summary="Classify an image, with the response of the fast.ai starter app",
            body=UPLOAD_BODY,
            responses={"application/json": AnalyzeResponse},
            problems=UPLOAD_PROBLEMS,
        )
    )
    async def post(self, request: Request) -> Response:
        """Return `{"result": label}` for one image."""
        self._engine.permits.check()
        predictor = self._engine.predictor
        upload = await read_upload(request, limits=self._uploads)
        with self._engine.permits.take():
            return await self._engine.run(functools.partial(_respond, upload, predictor))


def _respond(upload: Upload, predictor: Predictor) -> Response:
    """Run on a worker thread: from the body of the request to the response."""
    data = upload.take_image()
    record.current().lap("parse")
    return JSONResponse(analyze_response(classify_image(data, predictor)))
