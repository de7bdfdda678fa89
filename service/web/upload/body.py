"""Reads a request body once: bounded in bytes, under a deadline and a minimum rate, in memory only."""

from __future__ import annotations

import asyncio
import io

from starlette.requests import ClientDisconnect, Request

from service.problem import Problem
from service.web import record

# At first a body may be slower than the minimum rate: a connection needs time to get going.
_RATE_GRACE_S = 2.0


async def read_body(request: Request, *, max_bytes: int, timeout_s: float, min_bytes_per_s: int) -> bytes:
    """Read the whole body.

    Args:
        request: The request.
        max_bytes: The longest body that is accepted.
        timeout_s: Time in which the last byte must arrive, seconds.
        min_bytes_per_s: The minimum rate after the first two seconds; 0 for any rate.

    Raises:
        Problem: 413 for a body that is too long, announced or sent; 408 for one that is too slow; 400 for none.
        ClientDisconnect: If the client disconnected.
    """
    if _content_length(request) > max_bytes:
        raise _too_large(max_bytes)
    start = asyncio.get_running_loop().time()
    latest = start + timeout_s
    try:
        async with asyncio.timeout_at(min(latest, start + _RATE_GRACE_S) if min_bytes_per_s else latest) as timeout:
            buffer = io.BytesIO()  # its getvalue() hands out its memory without another copy
            while await _read_chunk(request, buffer, max_bytes):
                if min_bytes_per_s:
                    timeout.reschedule(min(latest, start + _RATE_GRACE_S + buffer.tell() / min_bytes_per_s))
    except TimeoutError as error:
        record.current().rejected = "body_slow"
        raise Problem(
            408,
            f"The request body did not arrive within {timeout_s:g} seconds, or it was slower than "
            f"{min_bytes_per_s:,} bytes a second.",
        ) from error
    finally:
        record.current().lap("receive")
    body = buffer.getvalue()
    if not body:
        raise Problem(400, "The request has no body; send an image.")
    return body


def _content_length(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    try:
        return int(text)
    except ValueError as error:
        raise Problem(400, "The Content-Length header is not a number.") from error


async def _read_chunk(request: Request, buffer: io.BytesIO, max_bytes: int) -> bool:
    """Append what has arrived; returns whether more follows."""
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
    return Problem(413, f"The request body is longer than the limit of {max_bytes:,} bytes.")
