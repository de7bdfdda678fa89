"""GET /livez and /readyz, for health probes."""

from __future__ import annotations

from typing import Literal, TypedDict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.web.engine import Engine
from service.web.routes.endpoint import Operation, describe

_HEADERS = {"Cache-Control": "no-store"}


class HealthResponse(TypedDict):
    """The state of the service."""

    status: Literal["live", "ready"]


class HealthHandlers:
    """The handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @describe(
        Operation(
            name="is_live",
            summary="Whether the process is alive",
            responses={"application/json": HealthResponse},
            problems=(503,),
            public=True,
        )
    )
    async def live(self, _request: Request) -> Response:
        """Return 200 as long as the event loop runs, or 503 once every thread has been stuck for a long time."""
        self._engine.health.check_live()
        return JSONResponse({"status": "live"}, headers=_HEADERS)

    @describe(
        Operation(
            name="is_ready",
            summary="Whether images can be classified",
            responses={"application/json": HealthResponse},
            problems=(503,),
            public=True,
        )
    )
    async def ready(self, _request: Request) -> Response:
        """Return 200 once the golden images agreed, or 503 before, while the service stops, and after failures."""
        _ = self._engine.predictor
        self._engine.health.check_ready()
        return JSONResponse({"status": "ready"}, headers=_HEADERS)
