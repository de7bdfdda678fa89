"""GET / and the few files that it needs, held in memory."""

from __future__ import annotations

import hashlib
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.web.resource import Resource

# path -> (file beside this module, content type)
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/page/answer.js": ("answer.js", "text/javascript; charset=utf-8"),
    "/page/heatmap.js": ("heatmap.js", "text/javascript; charset=utf-8"),
    "/page/service.js": ("service.js", "text/javascript; charset=utf-8"),
    "/page/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page_routes() -> list[Route]:
    """A route a file; reads the files."""
    folder = resources.files("service.web.page")
    return [
        Route(path, Resource(get=_File((folder / name).read_bytes(), content_type).get))
        for path, (name, content_type) in _FILES.items()
    ]


class _File:
    """One file, and its hash as the tag by which a browser asks whether it changed."""

    def __init__(self, content: bytes, content_type: str) -> None:
        self._content = content
        self._headers = {
            **_HEADERS,
            "Content-Type": content_type,
            "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        }

    async def get(self, request: Request) -> Response:
        if request.headers.get("if-none-match") == self._headers["ETag"]:
            return Response(status_code=304, headers=self._headers)
        return Response(self._content, headers=self._headers)
