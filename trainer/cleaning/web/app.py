"""The application: the files of the page, the handlers, and the middleware around them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import resources

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.pixels import ImageError
from service.problem import Problem, image_problem
from service.ui import page_headers, shared_files
from trainer.cleaning.web.access import Access, AccessMiddleware
from trainer.cleaning.web.routes import Handlers

_logger = logging.getLogger(__name__)

_INDEX = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    **page_headers(),
}


def create_app(handlers: Handlers, access: Access) -> ASGIApp:
    """Create the ASGI application.

    Args:
        handlers: The session and its images.
        access: Who may use it.
    """
    files = _read_files()

    async def page(_request: Request) -> Response:
        return _file_response(files, _INDEX)

    async def asset(request: Request) -> Response:
        return _file_response(files, request.path_params["name"])

    async def opening(request: Request) -> Response:
        return access.open(request)

    routes = [
        Route("/", page),
        Route("/assets/{name}", asset),
        Route("/open", opening),
        *handlers.routes(),
    ]
    middleware = [Middleware(ProblemMiddleware), Middleware(AccessMiddleware, access=access)]
    return Router(routes, redirect_slashes=False, default=_not_found, middleware=middleware)


class ProblemMiddleware:
    """ASGI middleware that turns every error into problem details, and adds the security headers to each response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            return
        scope["app"] = self  # so that starlette raises what else it would answer itself, in plain text
        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                own = {name for name, _ in message["headers"]}
                added = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in added if pair[0] not in own)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            return
        except Problem as problem:
            response = _problem_response(problem)
        except ImageError as error:
            response = _problem_response(image_problem(error))
        except HTTPException as error:  # a method that a route does not have
            response = _problem_response(Problem(error.status_code, f"{error.detail}.", headers=error.headers))
        except Exception:  # a fault of ours: it is logged, and no detail leaves the process
            _logger.exception("%s %s failed", scope["method"], scope["path"])
            response = _problem_response(Problem(500, "fieldguide failed. The terminal shows the error."))
        if not has_started:
            await response(scope, receive, send_with_headers)


def _problem_response(problem: Problem) -> Response:
    return JSONResponse(
        problem.to_json(),
        status_code=problem.status,
        media_type="application/problem+json",
        headers={"Cache-Control": "no-store", **problem.headers},
    )


def _read_files() -> dict[str, bytes]:
    """Read every file of the page: name -> content. Those that pages share are among them."""
    folder = resources.files("trainer.cleaning") / "page"
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(tuple(_TYPES))}
    return {**shared_files(), **files}


def _file_response(files: Mapping[str, bytes], name: str) -> Response:
    content = files.get(name)
    if content is None:
        raise Problem(404, "There is nothing at this address.")
    media_type = _TYPES[name[name.rindex(".") :]]
    return Response(content, headers={"Content-Type": media_type, "Cache-Control": "no-cache"})


async def _not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Problem(404, "There is nothing at this address.")
