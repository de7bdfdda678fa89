"""GET /livez and /readyz, for whoever watches the process."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.web.engine import Engine

_HEADERS = {"Cache-Control": "no-store"}


class Health:
    """The handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def live(self, _request: Request) -> Response:
        """200 as long as the event loop turns."""
        return JSONResponse({"status": "live"}, headers=_HEADERS)

    async def ready(self, _request: Request) -> Response:
        """200 once the golden images agreed; raises Problem 503 before."""
        _ = self._engine.predictor
        return JSONResponse({"status": "ready"}, headers=_HEADERS)
