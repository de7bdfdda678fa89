"""Turns every error into application/problem+json (RFC 9457)."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.pixels import ImageError
from service.problem import Problem, image_problem

_logger = logging.getLogger(__name__)

# How long to wait for the rest of a request that was answered before its end. If the connection were closed at once, it
# would be reset, and the client would see an error in place of the response.
_LINGER_S = 2.0
# On these paths the clients of other protocols expect the reason under the name `error`.
_PATHS_WITH_ERROR = ("/v2", "/models/")


class ProblemsMiddleware:
    """ASGI middleware that responds to every exception with a problem. Details of unexpected ones are only logged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and respond to its error. One that disconnected gets no response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            return
        except Problem as problem:
            await exchange.respond(problem)
        except ImageError as error:
            await exchange.respond(image_problem(error))
        except asyncio.CancelledError:  # the server stops, and the time for this request is over
            await exchange.respond(Problem(503, "The service is stopping.", headers={"Retry-After": "5"}), linger=False)
        except Exception:  # a fault of the service itself: logged with its traceback, and no detail leaves it
            _logger.exception("request %s failed", scope["state"]["request_id"])
            await exchange.respond(Problem(500, "The service failed. Its log has an entry with the request id."))


class _Exchange:
    """One request and its response: knows whether the response has started, and whether the request was read."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._started = False
        names = {name for name, _ in scope["headers"]}
        self._unread = bool(names & {b"content-length", b"transfer-encoding"})
        self._expects_continue = b"expect" in names  # 100-continue: reading would ask for the body

    async def receive(self) -> Message:
        message = await self._receive()
        self._unread = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        self._started = True
        await self._send(message)

    async def respond(self, problem: Problem, *, linger: bool = True) -> None:
        """Send the problem, unless a response has started; then, with `linger`, wait for the rest of the request."""
        if self._started:
            return
        response = self._response(problem)
        if self._unread and not self._expects_continue:
            await self._discard_body(0)  # a small one has arrived completely, and the connection can be kept
        if self._unread:
            response.headers["Connection"] = "close"
        await self._send({"type": "http.response.start", "status": problem.status, "headers": response.raw_headers})
        await self._send({"type": "http.response.body", "body": bytes(response.body), "more_body": True})
        if self._unread and linger:
            await self._discard_body(_LINGER_S)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _response(self, problem: Problem) -> Response:
        headers = {"Cache-Control": "no-store", **problem.headers}
        if problem.page:
            return HTMLResponse(problem.page, status_code=problem.status, headers=headers)
        error_field = {"error": problem.detail} if self._scope["path"].startswith(_PATHS_WITH_ERROR) else {}
        return JSONResponse(
            {**problem.to_json(), "request_id": self._scope["state"]["request_id"], **error_field},
            status_code=problem.status,
            media_type="application/problem+json",
            headers=headers,
        )

    async def _discard_body(self, seconds: float) -> None:
        """Read and discard the rest of the request for so long; 0: only what has arrived."""
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(seconds):
                while self._unread:
                    await self.receive()
