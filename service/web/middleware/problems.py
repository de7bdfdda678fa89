"""Every error as application/problem+json (RFC 9457), made in this one place."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.pixels import ImageError
from service.web.problem import Problem, image_problem

_logger = logging.getLogger(__name__)

# How long an answer that came before the end of its request waits for the rest. Closing at once would reset the
# connection, and the client would see that in place of the answer.
_LINGER_S = 2.0
# Under these the clients of other protocols look for the reason under the name `error`.
_WITH_ERROR_MEMBER = ("/v2", "/models/")


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
        self._waits_to_send = b"expect" in names  # 100-continue: reading would ask for the body

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
        if self._unread and not self._waits_to_send:
            await self._forget_body(0)  # of a small one all is here, and the connection can be kept
        if self._unread:
            response.headers["Connection"] = "close"
        await self._send({"type": "http.response.start", "status": problem.status, "headers": response.raw_headers})
        await self._send({"type": "http.response.body", "body": bytes(response.body), "more_body": True})
        if self._unread and linger:
            await self._forget_body(_LINGER_S)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _forget_body(self, seconds: float) -> None:
        """Take in and forget what is left of the request, for as long; with 0 what has arrived."""
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(seconds):
                while self._unread:
                    await self.receive()
