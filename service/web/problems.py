"""Every error as application/problem+json (RFC 9457), made in this one place."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.pixels import ImageError, UnsupportedImage

_logger = logging.getLogger(__name__)

# The phrases of RFC 9110; those of Python's http.HTTPStatus differ from one version to the next.
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
# How long an answer that came before the end of its request waits for the rest. Closing at once would reset the
# connection, and the client would see that in place of the answer.
_LINGER_S = 2.0


# Under these the clients of other protocols look for the reason under the name `error`.
_WITH_ERROR_MEMBER = ("/v2", "/models/")


class ProblemDetails(TypedDict):
    """Every error's body, a problem of RFC 9457."""

    type: Annotated[Literal["about:blank"], {"description": "no type of our own: the status says it all"}]
    title: Annotated[str, {"description": "the status in words"}]
    status: int
    detail: Annotated[str, {"description": "what was wrong, in a sentence"}]
    request_id: Annotated[str, {"description": "the id under which the log has the request"}]
    error: NotRequired[Annotated[str, {"description": "the detail again, on the routes of other protocols"}]]


class Problem(Exception):
    """An error with an HTTP status, whose detail is a sentence fit for the person who sent the request."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def to_json(self) -> dict[str, str | int]:
        """The problem details object; its type is `about:blank`, so its title is the status's own phrase."""
        return {
            "type": "about:blank",
            "title": TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
        }


def image_problem(error: ImageError) -> Problem:
    """415 for bytes that are no image of a format that we take, 422 for an image that gives no pixels."""
    return Problem(415 if isinstance(error, UnsupportedImage) else 422, str(error))


class Problems:
    """ASGI layer that answers whatever is raised within it. What is no `Problem` is logged and answered opaquely."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the layers within; a client that left gets no answer, and its leaving is no error."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            return
        except Problem as problem:
            await exchange.answer(problem)
        except ImageError as error:
            await exchange.answer(image_problem(error))
        except asyncio.CancelledError:  # the server was told to stop, and this request has used up its time
            await exchange.answer(Problem(503, "The service is stopping.", headers={"Retry-After": "5"}), linger=False)
        except Exception:
            _logger.exception("request %s failed", scope["state"]["request_id"])
            await exchange.answer(Problem(500, "The service failed. Its log has an entry under the request id."))


class _Exchange:
    """One request and its answer: knows whether the answer has begun and whether the request has ended."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._answered = False
        names = {name for name, _ in scope["headers"]}
        self._unread = bool(names & {b"content-length", b"transfer-encoding"})

    async def receive(self) -> Message:
        message = await self._receive()
        self._unread = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        self._answered = True
        await self._send(message)

    async def answer(self, problem: Problem, *, linger: bool = True) -> None:
        """Send the problem, unless an answer is under way already; then, maybe, wait for the rest of the request."""
        if self._answered:
            return
        other_name = {"error": problem.detail} if self._scope["path"].startswith(_WITH_ERROR_MEMBER) else {}
        response = JSONResponse(
            {**problem.to_json(), "request_id": self._scope["state"]["request_id"], **other_name},
            status_code=problem.status,
            media_type="application/problem+json",
            headers={"Cache-Control": "no-store", **problem.headers},
        )
        if self._unread:
            response.headers["Connection"] = "close"
        await self._send({"type": "http.response.start", "status": problem.status, "headers": response.raw_headers})
        await self._send({"type": "http.response.body", "body": bytes(response.body), "more_body": True})
        if self._unread and linger:
            await self._linger()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self) -> None:
        """Take in and forget what is left of the request, for a while."""
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(_LINGER_S):
                while self._unread:
                    await self.receive()
