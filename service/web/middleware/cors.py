"""Cross-origin requests (the CORS protocol of the Fetch standard), for the origins in the settings."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Inference-Header-Content-Length, X-API-Key, X-Request-ID"
    ),
    "Access-Control-Max-Age": "600",
}
_EXPOSED_HEADERS = "Inference-Header-Content-Length, Retry-After, Server-Timing, X-Request-ID"


class CORSMiddleware:
    """ASGI middleware that allows requests of pages from other origins.

    It does not allow credentials: such a page has its own API key, and there are no cookies.
    """

    def __init__(self, app: ASGIApp, *, origins: frozenset[str]) -> None:
        """Wrap an application.

        Args:
            app: The application.
            origins: Allowed origins, or `*` for any.
        """
        self._app = app
        self._origins = frozenset(origin.lower() for origin in origins)  # browsers send their origin in lower case

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight request, or pass the request on and add the CORS headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        allowed = self._allowed(headers.get("origin", ""))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                response_headers = MutableHeaders(scope=message)
                response_headers.add_vary_header("Origin")
                if allowed:
                    response_headers["Access-Control-Allow-Origin"] = allowed
                    response_headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
            await send(message)

        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        app = Response(status_code=204, headers=_PREFLIGHT_HEADERS) if allowed and is_preflight else self._app
        await app(scope, receive, send_with_headers)

    def _allowed(self, origin: str) -> str:
        """Return the value of Access-Control-Allow-Origin, "" if the origin is not allowed."""
        if not origin:
            return ""
        if "*" in self._origins:
            return "*"
        return origin if origin in self._origins else ""
