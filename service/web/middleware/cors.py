"""Cross-origin requests (the Fetch standard's CORS protocol), for the origins that the settings name."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Inference-Header-Content-Length, X-API-Key, X-Request-ID"
    ),
    "Access-Control-Max-Age": "600",
}
_EXPOSED = "Inference-Header-Content-Length, Retry-After, Server-Timing, X-Request-ID"


class Cors:
    """ASGI layer. Without credentials: a page that calls from elsewhere has a key of its own, and no cookies here.

    origins  those that are allowed, `*` for any
    """

    def __init__(self, app: ASGIApp, *, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.lower() for origin in origins)  # as browsers give their own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the layers within, but for the question that a browser asks before it sends a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        allowed = self._allowed(headers.get("origin", ""))

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.add_vary_header("Origin")
                if allowed:
                    answer["Access-Control-Allow-Origin"] = allowed
                    answer["Access-Control-Expose-Headers"] = _EXPOSED
            await send(message)

        asked_first = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        app = Response(status_code=204, headers=_PREFLIGHT) if allowed and asked_first else self._app
        await app(scope, receive, send_allowed)

    def _allowed(self, origin: str) -> str:
        if not origin:
            return ""
        if "*" in self._origins:
            return "*"
        return origin if origin in self._origins else ""
