"""Cross-origin requests (the CORS protocol of the Fetch standard), for the origins in the settings."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.settings import Settings

_PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Inference-Header-Content-Length, X-API-Key, X-Request-ID"
    ),
    "Access-Control-Max-Age": "600",
}
_EXPOSED_HEADERS = "Inference-Header-Content-Length, Retry-After, Server-Timing, X-Request-ID"


class CORSPolicy:
    """Which origins may read responses."""

    def __init__(self, origins: frozenset[str]) -> None:
        """Take the allowed origins; `*` for any, none if cross-origin requests are not supported at all."""
        self._origins = frozenset(origin.lower() for origin in origins)  # browsers send their origin in lower case

    @classmethod
    def of(cls, settings: Settings) -> CORSPolicy:
        """Return the policy of the settings."""
        return cls(frozenset(filter(None, settings.cors_origins.split(","))))

    def __bool__(self) -> bool:
        return bool(self._origins)

    def headers(self, origin: str | None) -> dict[str, str]:
        """Return the headers of a response.

        Args:
            origin: The Origin of the request, "" if it has none. None if that is not known, because the request could
                not be read to its end: then it is taken for the only allowed one, if there is only one.
        """
        if not self:
            return {}
        if origin is None:
            origin = next(iter(self._origins)) if len(self._origins) == 1 else ""
        headers = {"Vary": "Origin"}
        if origin and self._origins & {"*", origin}:
            headers["Access-Control-Allow-Origin"] = "*" if "*" in self._origins else origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
        return headers


class CORSMiddleware:
    """ASGI middleware that allows requests of pages from other origins.

    It does not allow credentials: such a page has its own API key, and there are no cookies.
    """

    def __init__(self, app: ASGIApp, *, policy: CORSPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight request, or pass the request on and add the CORS headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_headers = Headers(scope=scope)
        own_headers = self._policy.headers(request_headers.get("origin", ""))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                response_headers = MutableHeaders(scope=message)
                for name, value in own_headers.items():
                    if name == "Vary":
                        response_headers.add_vary_header(value)
                    else:
                        response_headers[name] = value
            await send(message)

        is_allowed = "Access-Control-Allow-Origin" in own_headers
        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in request_headers
        app = Response(status_code=204, headers=_PREFLIGHT_HEADERS) if is_allowed and is_preflight else self._app
        await app(scope, receive, send_with_headers)
