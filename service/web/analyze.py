"""POST /analyze: the answer of the well-known fast.ai starter app, so that its clients keep working."""

from __future__ import annotations

import functools

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.predictor import Predictor
from service.settings import Settings
from service.web.answers import short_answer
from service.web.engine import Engine
from service.web.upload import Upload, read_upload


class Analyze:
    """The handler."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    async def post(self, request: Request) -> Response:
        """Answer one image with `{"result": label}`; see `answers.short_answer`."""
        predictor = self._engine.predictor
        upload = await read_upload(request, settings=self._settings)
        return await self._engine.run(functools.partial(_respond, upload, predictor))


def _respond(upload: Upload, predictor: Predictor) -> Response:
    return JSONResponse(short_answer(predictor.predict(upload.image())))
