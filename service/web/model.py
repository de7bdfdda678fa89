"""GET /v1/model: which model answers here."""

from __future__ import annotations

import dataclasses

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.settings import Settings
from service.web.engine import Engine


class Model:
    """The handler."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    async def get(self, _request: Request) -> Response:
        """The model's card in JSON, and what an image may be."""
        predictor = self._engine.predictor
        return JSONResponse(
            {
                "name": predictor.name,
                "version": predictor.version,
                "digest": predictor.digest,
                "task": predictor.spec.task,
                "classes": list(predictor.spec.classes),
                "thresholds": list(predictor.spec.thresholds),
                "pixels": predictor.spec.pixels.to_json(),
                "heatmaps": predictor.has_heatmaps,
                "limits": {
                    **dataclasses.asdict(predictor.limits),
                    "max_body_bytes": self._settings.max_body_bytes,
                },
                "metrics": predictor.metrics,
            },
            headers={"Cache-Control": "no-cache"},
        )
