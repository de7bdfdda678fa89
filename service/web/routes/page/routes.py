"""GET / and the files of the page, kept in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.ui import page_headers, shared_files
from service.web.engine import Engine
from service.web.routes.endpoint import Endpoint, Handler, Operation, Parameter, describe
from service.web.routes.page.form import FORM, NO_FORM, FormHandler
from service.web.upload.upload import UploadLimits

# Path -> file of this package. The other files are under /page/.
_PAGES = {"/": "index.html", "/docs": "docs.html"}
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def page_routes(
    engine: Engine, uploads: UploadLimits, *, frame_ancestors: str, camera: bool, needs_key: bool
) -> list[Route]:
    """Read the files, and create a route for each. The style sheet starts with the one that pages share.

    Args:
        engine: The model and its threads, for the form.
        uploads: Limits on request bodies.
        frame_ancestors: The pages that may show this one in a frame; see `service.ui.page_headers`.
        camera: Whether the page may use the camera.
        needs_key: Whether requests need an API key.
    """
    shared = page_headers(frame_ancestors, camera=camera)
    files = dict(sorted((shared_files() | _read_files()).items()))
    index = files[_PAGES["/"]].decode()
    files[_PAGES["/"]] = _index(index, camera=camera, needs_key=needs_key)
    files["style.css"] = files.pop("base.css") + b"\n" + files["style.css"]
    paths = _PAGES | {f"/page/{name}": name for name in files if not name.endswith(".html")}
    form = FormHandler(engine, uploads, needs_key=needs_key, headers=shared)
    handlers = {path: _file_handler(files[name], {**shared, **_file_headers(name)}) for path, name in paths.items()}
    return [
        Route("/", Endpoint(get=handlers.pop("/"), post=form.post)),
        *(Route(path, Endpoint(get=handler)) for path, handler in handlers.items()),
    ]


def _read_files() -> dict[str, bytes]:
    """Read every file of the pages: name -> content."""
    files = resources.files("service.web.routes.page").iterdir()
    return {
        file.name: file.read_bytes()
        for file in sorted(files, key=lambda file: file.name)
        if file.name.endswith(tuple(_TYPES))
    }


def _file_headers(name: str) -> dict[str, str]:
    return {"Cache-Control": "no-cache", "Content-Type": _TYPES[name[name.rindex(".") :]]}


def _index(text: str, *, camera: bool, needs_key: bool) -> bytes:
    """Fill in what depends on the settings: whether there is a camera, and the form for browsers without JavaScript."""
    text = text.replace("<!-- form -->", NO_FORM if needs_key else FORM)
    return text.replace("<body>", "<body data-camera>" if camera else "<body>").encode()


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
