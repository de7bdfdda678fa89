"""The body of a response, within limits: never more in memory than was allowed, whatever the server says or sends."""

from __future__ import annotations

import zlib

import httpx

from trainer.collect.failures import Failure

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_COMPRESSED = ("gzip", "x-gzip", "deflate")


async def read_body(response: httpx.Response, *, max_bytes: int) -> bytes:
    """Read and decode the body of a response.

    Args:
        response: Its head came.
        max_bytes: Most bytes that may be received, and most bytes that they may be after decompression.

    Raises:
        Failure: There are more, or the body is damaged or incomplete.
    """
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    decoder = _decoder(response.headers.get("content-encoding", ""))
    received, decoded = 0, bytearray()
    async for chunk in response.aiter_raw():
        received += len(chunk)
        if received > max_bytes:
            raise _too_large(max_bytes)
        if decoder is None:
            decoded += chunk
            continue
        try:
            decoded += decoder.decompress(chunk, max_bytes - len(decoded) + 1)
        except zlib.error as error:
            raise Failure("bad-response", "the compressed body is damaged", temporary=True) from error
        if len(decoded) > max_bytes:
            raise _too_large(max_bytes)
    if decoder is not None and received and not decoder.eof:
        raise Failure("connection-lost", "the compressed body is not complete", temporary=True)
    return bytes(decoded)


def _decoder(encoding: str) -> zlib._Decompress | None:
    """What decompresses a body; None if it is not compressed."""
    name = encoding.strip().casefold()
    if name in ("", "identity"):
        return None
    if name in _COMPRESSED:
        return zlib.decompressobj(_GZIP_OR_ZLIB)
    raise Failure("bad-response", f"the body has the encoding {name[:40]!r}, which was not asked for")


def _too_large(max_bytes: int) -> Failure:
    return Failure("too-large", f"more than {max_bytes:,} bytes; `max_bytes` allows more")
