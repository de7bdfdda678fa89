"""POST /analyze: the answer of the well-known fast.ai starter app, so that its clients keep working."""

from __future__ import annotations

import functools

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.predictor import Predictor
from service.settings import Settings
from service.web.engine.engine import Engine
from service.web.routes.answers import ShortAnswer, short_answer
from service.web.routes.operation import UPLOAD_PROBLEMS, Operation, describe
from service.web.upload.upload import UPLOAD_BODY, Upload, read_upload


class Analyze:
    """The handler."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    @describe(
        Operation(
            summary="What is in an image, as the fast.ai starter app says it",
            body=UPLOAD_BODY,
            answers={"application/json": ShortAnswer},
            problems=UPLOAD_PROBLEMS,
        )
    )
    async def post(self, request: Request) -> Response:
        """Answer one image with `{"result": label}`; see `answers.short_answer`."""
        predictor = self._engine.predictor
        upload = await read_upload(request, settings=self._settings)
        return await self._engine.run(functools.partial(_respond, upload, predictor))


def _respond(upload: Upload, predictor: Predictor) -> Response:
    return JSONResponse(short_answer(predictor.predict(upload.take_image())))
