"""Keeps the record of every request; says it in headers and, when the request has ended, to the ledger."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web import record
from service.web.record import Record
from service.web.telemetry.ledger import Ledger

_HEADER = "X-Request-ID"


class Tracing:
    """ASGI layer; a request's id is the client's own where that is sane, and stands in the scope's state too.

    Every answer says the id as X-Request-ID, and as Server-Timing how long the stages took up to its first byte.
    """

    def __init__(self, app: ASGIApp, *, ledger: Ledger) -> None:
        self._app = app
        self._ledger = ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the layers within."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, state = Headers(scope=scope), scope.setdefault("state", {})
        request = Record(
            id=record.request_id(headers.get(_HEADER, "")),
            method=scope["method"],
            # The raw path: percent-encoded, it cannot forge a line of the log.
            path=scope.get("raw_path", b"").decode("ascii", "backslashreplace"),
            departure=state.get("departure"),
        )
        record.begin(request)
        state["request_id"] = request.id

        async def send_traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request.id.encode()),
                    (b"server-timing", _server_timing(request).encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_traced)
        finally:
            request.route = scope["route"].path if "route" in scope else ""
            request.end()
            self._ledger.add(request, traceparent=headers.get("traceparent", ""))


def _server_timing(request: Record) -> str:
    """W3C Server Timing: metrics and their durations in milliseconds."""
    stages = [*request.stages_ms.items(), ("total", request.total_ms)]
    return ", ".join(f"{stage};dur={duration_ms:.2f}" for stage, duration_ms in stages)
