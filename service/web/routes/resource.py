"""One path and the methods it takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.web.problem import Problem

Handler = Callable[[Request], Awaitable[Response]]


class Resource:
    """ASGI endpoint: a handler a method. Where there is `get`, HEAD is taken too; OPTIONS always is.

    Starlette's own routes would answer OPTIONS with 405 and list the allowed methods in random order.

    handlers  those that were given, by method
    """

    def __init__(self, **handlers: Handler) -> None:
        self.handlers = {method.upper(): handler for method, handler in handlers.items()}
        self._handlers = dict(self.handlers)
        if "GET" in self._handlers:
            self._handlers["HEAD"] = self._handlers["GET"]  # the HTTP server leaves the body out
        self._allow = ", ".join([*self._handlers, "OPTIONS"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request; raises Problem 405 for a method that is not taken."""
        request = Request(scope, receive)
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": self._allow})
        handler = self._handlers.get(request.method)
        if handler is None:
            raise Problem(
                405, f"{request.method} is not taken here; {self._allow} are.", headers={"Allow": self._allow}
            )
        return await handler(request)
