"""GET /livez and /readyz, for whoever watches the process."""

from __future__ import annotations

from typing import Literal, TypedDict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.web.engine.engine import Engine
from service.web.routes.operation import Operation, describe

_HEADERS = {"Cache-Control": "no-store"}


class Status(TypedDict):
    """How the service is."""

    status: Literal["live", "ready"]


class Health:
    """The handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @describe(
        Operation(
            summary="Whether the process is alive",
            answers={"application/json": Status},
            problems=(503,),
            public=True,
        )
    )
    async def live(self, _request: Request) -> Response:
        """200 as long as the event loop turns; raises Problem 503 where every slot has been lost for long."""
        self._engine.vitals.check_live()
        return JSONResponse({"status": "live"}, headers=_HEADERS)

    @describe(
        Operation(
            summary="Whether images are answered",
            answers={"application/json": Status},
            problems=(503,),
            public=True,
        )
    )
    async def ready(self, _request: Request) -> Response:
        """200 once the golden images agreed; raises Problem 503 before, and where `Vitals` says so."""
        _ = self._engine.predictor
        self._engine.vitals.check_ready()
        return JSONResponse({"status": "ready"}, headers=_HEADERS)
