"""One path: a handler for each of its methods, and the description of each for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.problem import Problem

Handler = Callable[[Request], Awaitable[Response]]
Function = TypeVar("Function", bound=Callable[..., Any])
# Statuses of problems that any request with an image can get.
UPLOAD_PROBLEMS = (400, 408, 413, 415, 422, 429, 503)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of the query, the path or the headers.

    Attributes:
        name: Its name in the request.
        annotation: Its type, as `schema.Schemas.of` takes it.
        description: What it does.
        location: Where it is in the request.
    """

    name: str
    annotation: Any
    description: str
    location: Literal["query", "path", "header"] = "query"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """The description of a handler: one method of one path.

    Attributes:
        name: What generated clients call it: lower case with underscores, no two alike. "" if it is for browsers and
            not for programs: then the document does not have it.
        summary: One line.
        responses: Media type -> type of the body of a 200.
        body: Media type -> type of the request's body.
        parameters: Those of the query and the headers.
        empty_responses: Statuses of responses without a body.
        problems: Statuses of problems, besides those that every request can get.
        public: Whether it needs no API key.
    """

    name: str
    summary: str
    responses: Mapping[str, Any]
    body: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    empty_responses: tuple[int, ...] = ()
    problems: tuple[int, ...] = ()
    public: bool = False


def describe(operation: Operation) -> Callable[[Function], Function]:
    """Decorator: attach the description to a handler."""

    def mark(function: Function) -> Function:
        function.operation = operation  # type: ignore[attr-defined]
        return function

    return mark


def operation_of(handler: Callable[..., Any]) -> Operation:
    """Return the description of a handler; raises AttributeError if it has none."""
    operation: Operation = handler.operation  # type: ignore[attr-defined]
    return operation


class Endpoint:
    """ASGI app for one path, with a handler for each method. GET implies HEAD; OPTIONS is always answered.

    Starlette's own routes answer OPTIONS with 405, and list the allowed methods in random order.

    Attributes:
        handlers: The handlers, by method.
    """

    def __init__(self, **handlers: Handler) -> None:
        self.handlers = {method.upper(): handler for method, handler in handlers.items()}
        self._handlers = dict(self.handlers)
        if "GET" in self._handlers:
            self._handlers["HEAD"] = self._handlers["GET"]  # the HTTP server leaves the body out
        self._allow = ", ".join([*self._handlers, "OPTIONS"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request; raises Problem 405 for a method without a handler."""
        request = Request(scope, receive)
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": self._allow})
        handler = self._handlers.get(request.method)
        if handler is None:
            raise Problem(
                405, f"{request.method} is not allowed; use one of {self._allow}.", headers={"Allow": self._allow}
            )
        return await handler(request)
