"""Reads a request body once: bounded in bytes, under a deadline that moves with what arrives, in memory only."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from service.problem import Problem
from service.web import record

# Smaller pieces are put together: each object takes 34 bytes, however short it is.
_PIECE_BYTES = 32 * 1024


async def read_body(request: Request, *, max_bytes: int, timeout_s: float, min_bytes_per_s: int) -> bytes:
    """Read the whole body.

    Each time as much has arrived as the minimum rate asks for in `timeout_s`, the client has that time again. So a slow
    client may take as long as it needs, and one that stalls, or sends a byte now and then, is cut off.

    Args:
        request: The request.
        max_bytes: The longest body that is accepted.
        timeout_s: Time in which the last byte, or a part at the minimum rate, must arrive, seconds.
        min_bytes_per_s: The minimum rate; 0 for any: then each byte gives the client that time again.

    Raises:
        Problem: 413 for a body that is too long, 408 for one that is too slow, 400 for none.
        ClientDisconnect: If the client disconnected.
    """
    loop = asyncio.get_running_loop()
    step = max(1, int(timeout_s * min_bytes_per_s))
    body, counted = _Pieces(), 0
    try:
        async with asyncio.timeout(timeout_s) as timeout:
            while await _read_chunk(request, body, max_bytes):
                if body.length - counted >= step:
                    counted = body.length
                    timeout.reschedule(loop.time() + timeout_s)
    except TimeoutError as error:
        record.current().rejected = "body_slow"
        raise Problem(
            408,
            f"The request body did not arrive within {timeout_s:g} seconds, and it was slower than "
            f"{min_bytes_per_s:,} bytes a second, or it stalled.",
        ) from error
    finally:
        record.current().lap("receive")
    if not body.length:
        raise Problem(400, "The request has no body; send an image.")
    return body.join()


def announced_bytes(request: Request, *, max_bytes: int) -> int:
    """Return the length of a body as its headers announce it; `max_bytes` if they do not.

    Raises:
        Problem: 413 for a body that is too long, 400 for a length that is no number.
    """
    if "transfer-encoding" in request.headers:
        return max_bytes
    try:
        length = int(request.headers.get("content-length", "0"))
    except ValueError as error:
        raise Problem(400, "The Content-Length header is not a number.") from error
    if length > max_bytes:
        raise _too_large(max_bytes)
    return length


class _Pieces:
    """A body that arrives. It is put together once, so that it is never copied to make room.

    Attributes:
        length: Number of bytes.
    """

    def __init__(self) -> None:
        self.length = 0
        self._pieces: list[bytes] = []
        self._small = bytearray()

    def add(self, chunk: bytes) -> None:
        self.length += len(chunk)
        if len(chunk) < _PIECE_BYTES:
            self._small += chunk
        if len(chunk) >= _PIECE_BYTES or len(self._small) >= _PIECE_BYTES:
            self._flush()
        if len(chunk) >= _PIECE_BYTES:
            self._pieces.append(chunk)

    def join(self) -> bytes:
        self._flush()
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _flush(self) -> None:
        if self._small:
            self._pieces.append(bytes(self._small))
            self._small.clear()


async def _read_chunk(request: Request, body: _Pieces, max_bytes: int) -> bool:
    """Append what has arrived; returns whether more follows."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    chunk = message.get("body", b"")
    record.current().body_bytes += len(chunk)
    if body.length + len(chunk) > max_bytes:
        raise _too_large(max_bytes)
    body.add(chunk)
    return bool(message.get("more_body", False))


def _too_large(max_bytes: int) -> Problem:
    record.current().rejected = "body_large"
    return Problem(413, f"The request body is longer than the limit of {max_bytes:,} bytes.")
