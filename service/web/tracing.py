"""Gives every request an id, every answer that id as X-Request-ID, and the log one line."""

from __future__ import annotations

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger(__name__)
_HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Tracing:
    """ASGI layer; the id is the client's own where that is sane, and stands in the scope's state as `request_id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the layers within."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(_HEADER, "")
        request_id = given if _SANE.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        start = time.perf_counter()

        async def send_traced(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[_HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_traced)
        finally:
            # The raw path: percent-encoded, it cannot forge a line of the log.
            path = scope.get("raw_path", b"").decode("ascii", "backslashreplace")
            duration_ms = 1e3 * (time.perf_counter() - start)
            _logger.info("%s %s %s %.1f ms %s", scope["method"], path, status or "client left", duration_ms, request_id)
