"""GET / and the files of the page, kept in memory."""

from __future__ import annotations

import hashlib
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.web.routes.endpoint import Endpoint, Handler, Operation, Parameter, describe

# path -> (file beside this module, content type)
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/page/answer.js": ("answer.js", "text/javascript; charset=utf-8"),
    "/page/heatmap.js": ("heatmap.js", "text/javascript; charset=utf-8"),
    "/page/key.js": ("key.js", "text/javascript; charset=utf-8"),
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
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    ),
    "Cache-Control": "no-cache",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def page_routes() -> list[Route]:
    """Read the files, and create a route for each."""
    folder = resources.files("service.web.routes.page")
    return [
        Route(path, Endpoint(get=_file((folder / name).read_bytes(), content_type)))
        for path, (name, content_type) in _FILES.items()
    ]


def _file(content: bytes, content_type: str) -> Handler:
    """Create the handler of one file. Its hash is the ETag, by which a browser asks whether it has changed."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**_HEADERS, "Content-Type": content_type, "ETag": tag}

    @describe(
        Operation(
            summary="The page, or one of its files",
            parameters=(
                Parameter(
                    name="If-None-Match",
                    annotation=str,
                    description="the ETag of the client's copy",
                    location="header",
                ),
            ),
            responses={content_type.partition(";")[0]: str},
            empty_responses=(304,),
            public=True,
        )
    )
    async def get(request: Request) -> Response:
        """Return one of the files of the page on which a person tries the model."""
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers)

    return get
