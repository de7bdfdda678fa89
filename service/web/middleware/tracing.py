"""Keeps a record of every request, reports it in headers, and passes it to the telemetry when it has finished."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web import record
from service.web.record import Record
from service.web.telemetry.buffer import RecordBuffer

_HEADER = "X-Request-ID"


class TracingMiddleware:
    """ASGI middleware that makes a `Record` for every request. The request id is in the scope's state too.

    Every response has the id as X-Request-ID, and the durations of the stages up to its first byte as Server-Timing.
    """

    def __init__(self, app: ASGIApp, *, buffer: RecordBuffer) -> None:
        self._app = app
        self._buffer = buffer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, state = Headers(scope=scope), scope.setdefault("state", {})
        request = Record(
            id=record.request_id(headers.get(_HEADER, "")),
            method=scope["method"],
            # The raw path: percent-encoded, it cannot forge a line of the log.
            path=scope.get("raw_path", b"").decode("ascii", "backslashreplace"),
            disconnected=state.get("disconnected"),
        )
        record.set_current(request)
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
            request.finish()
            self._buffer.add(request, traceparent=headers.get("traceparent", ""))


def _server_timing(request: Record) -> str:
    """Format the durations, in milliseconds, as W3C Server Timing."""
    stages = [*request.stages_ms.items(), ("total", request.total_ms)]
    return ", ".join(f"{stage};dur={duration_ms:.2f}" for stage, duration_ms in stages)
