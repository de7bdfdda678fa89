"""GET / and the files of the page, kept in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.ui import base_css, page_headers
from service.web.routes.endpoint import Endpoint, Handler, Operation, Parameter, describe

_HTML, _SCRIPT, _STYLE = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
_SCRIPTS = (
    "about.js", "api_key.js", "app.js", "code.js", "docs.js", "docs_schema.js", "element.js", "heatmap.js", "model.js",
    "names.js", "photos.js", "prediction.js", "service.js", "shrink.js", "stage.js",
)  # fmt: skip
# Path -> (file in this package, content type).
_FILES = {
    "/": ("index.html", _HTML),
    "/docs": ("docs.html", _HTML),
    **{f"/page/{name}": (name, _SCRIPT) for name in _SCRIPTS},
    "/page/style.css": ("style.css", _STYLE),
    "/page/docs.css": ("docs.css", _STYLE),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}


def page_routes(frame_ancestors: str) -> list[Route]:
    """Read the files, and create a route for each. The style sheet starts with the one that all pages share.

    Args:
        frame_ancestors: The pages that may show this one in a frame; see `service.ui.page_headers`.
    """
    shared = {**page_headers(frame_ancestors), "Cache-Control": "no-cache"}
    folder = resources.files("service.web.routes.page")
    contents = {path: (folder / name).read_bytes() for path, (name, _) in _FILES.items()}
    contents["/page/style.css"] = base_css().encode() + b"\n" + contents["/page/style.css"]
    return [
        Route(path, Endpoint(get=_file_handler(contents[path], {**shared, "Content-Type": content_type})))
        for path, (_, content_type) in _FILES.items()
    ]


def _file_handler(content: bytes, headers: Mapping[str, str]) -> Handler:
    """Create the handler of one file. Its hash is the ETag, by which a browser asks whether it has changed."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**headers, "ETag": tag}

    @describe(
        Operation(
            name="",
            summary="The page, or one of its files",
            parameters=(
                Parameter(
                    name="If-None-Match",
                    annotation=str,
                    description="the ETag of the client's copy",
                    location="header",
                ),
            ),
            responses={headers["Content-Type"].partition(";")[0]: str},
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
