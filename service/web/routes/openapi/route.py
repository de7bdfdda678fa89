"""GET /openapi.json"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.web.routes.openapi.document import Info, document
from service.web.routes.operation import Operation, describe


class OpenApi:
    """The handler. It stands among the routes that it tells of, so that they are given to it once all are there."""

    def __init__(self, info: Info) -> None:
        self._info = info
        self._content = b""

    def write(self, routes: Sequence[Route]) -> None:
        """Make the document; raises what `document` raises."""
        self._content = json.dumps(document(routes, self._info)).encode()

    @describe(Operation(summary="This document", answers={"application/json": dict[str, Any]}, public=True))
    async def get(self, _request: Request) -> Response:
        """The OpenAPI 3.1 document of this very service, as it is set."""
        return Response(self._content, media_type="application/json", headers={"Cache-Control": "no-cache"})
