"""Reads a request body once: bounded in bytes, under a deadline, in memory only."""

from __future__ import annotations

import asyncio
import io

from starlette.requests import ClientDisconnect, Request

from service.web.problems import Problem


async def read_body(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """The whole body.

    Raises Problem: 413 for more than `max_bytes`, announced or sent, 408 where the last byte does not arrive within
    `timeout_s` seconds, 400 where there is none. Raises ClientDisconnect where the client left.
    """
    if _announced(request) > max_bytes:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            body = await _read(request, max_bytes)
    except TimeoutError as error:
        raise Problem(408, f"The request body did not arrive within {timeout_s:g} seconds.") from error
    if not body:
        raise Problem(400, "The request has no body; send an image.")
    return body


def _announced(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    try:
        return int(text)
    except ValueError as error:
        raise Problem(400, "The Content-Length header is not a number.") from error


async def _read(request: Request, max_bytes: int) -> bytes:
    buffer = io.BytesIO()  # its getvalue() hands out its memory without another copy
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        if buffer.tell() + len(chunk) > max_bytes:
            raise _too_large(max_bytes)
        buffer.write(chunk)
        if not message.get("more_body", False):
            return buffer.getvalue()


def _too_large(max_bytes: int) -> Problem:
    return Problem(413, f"The request body is longer than the {max_bytes:,} bytes that are taken here.")
