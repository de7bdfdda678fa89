"""Reads a request body once: bounded in bytes, under a deadline and at a least rate, in memory only."""

from __future__ import annotations

import asyncio
import io

from starlette.requests import ClientDisconnect, Request

from service.web import record
from service.web.problem import Problem

# For this long a body may be slower than its least rate: a connection needs time to get going.
_START_S = 2.0


async def read_body(request: Request, *, max_bytes: int, timeout_s: float, min_bytes_per_s: int) -> bytes:
    """The whole body.

    Raises Problem: 413 for more than `max_bytes`, announced or sent; 408 where the last byte does not arrive within
    `timeout_s` seconds, or what came in all is less than `min_bytes_per_s` allows after the first two seconds; 400
    where there is none. Raises ClientDisconnect where the client left.
    """
    if _announced(request) > max_bytes:
        raise _too_large(max_bytes)
    start = asyncio.get_running_loop().time()
    latest = start + timeout_s
    try:
        async with asyncio.timeout_at(min(latest, start + _START_S) if min_bytes_per_s else latest) as timeout:
            buffer = io.BytesIO()  # its getvalue() hands out its memory without another copy
            while await _take_chunk(request, buffer, max_bytes):
                if min_bytes_per_s:
                    timeout.reschedule(min(latest, start + _START_S + buffer.tell() / min_bytes_per_s))
    except TimeoutError as error:
        record.current().rejected = "body_slow"
        raise Problem(
            408,
            f"The request body did not arrive within {timeout_s:g} seconds, or more slowly than "
            f"{min_bytes_per_s:,} bytes a second.",
        ) from error
    finally:
        record.current().lap("receive")
    body = buffer.getvalue()
    if not body:
        raise Problem(400, "The request has no body; send an image.")
    return body


def _announced(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    try:
        return int(text)
    except ValueError as error:
        raise Problem(400, "The Content-Length header is not a number.") from error


async def _take_chunk(request: Request, buffer: io.BytesIO, max_bytes: int) -> bool:
    """Add what has arrived; returns whether more is to come."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    chunk = message.get("body", b"")
    record.current().body_bytes += len(chunk)
    if buffer.tell() + len(chunk) > max_bytes:
        raise _too_large(max_bytes)
    buffer.write(chunk)
    return bool(message.get("more_body", False))


def _too_large(max_bytes: int) -> Problem:
    record.current().rejected = "body_large"
    return Problem(413, f"The request body is longer than the {max_bytes:,} bytes that are taken here.")
