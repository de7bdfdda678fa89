"""One HTTP/1.1 connection: small requests, and responses that are read as they come.

httptools parses, as in the service. Compared with h11, which httpx's own transport uses, a response of 100 kB costs a
tenth of the time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import cast

import httptools

from trainer.collect.failures import Failure

# Bytes of a response that are no body: status line, headers, sizes of chunks, trailers.
_MAX_HEAD_BYTES = 64 * 1024
# Bytes that wait to be read before the socket is left alone.
_MAX_WAITING_BYTES = 512 * 1024
_FIRST_FINAL_STATUS = 200


class Connection(asyncio.Protocol):
    """A connection that one request uses at a time.

    Attributes:
        status: Of the last response.
        headers: Its headers, as they came.
        is_reusable: Whether another request may be sent.
        was_silent: Whether it ended before a byte of the last response came.
        lost: Is done when the socket is closed.
    """

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: Failure | None = None
        self._lost = False
        self._start_response()
        self._complete = True  # nothing was asked yet

    def _start_response(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.was_silent = True
        self._chunks: deque[bytes] = deque()
        self._waiting = self._received = self._body = 0
        self._has_head = self._complete = self._until_close = self._keep = False

    # What a caller does

    async def send(self, message: bytes) -> None:
        """Send a complete request, and wait for the head of the response.

        Raises:
            Failure: The connection ended, or what came is not HTTP.
        """
        if self._transport is None or self._lost:
            raise Failure("connection-lost", "the server closed the connection", temporary=True)
        self._start_response()
        self._transport.write(message)
        while not self._has_head:
            await self._wait()

    async def body(self) -> AsyncIterator[bytes]:
        """The body, in pieces as they come.

        Raises:
            Failure: The connection ended before the body did, or what came is not HTTP.
        """
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._waiting -= len(chunk)
                yield chunk
            if self._transport is not None and not self._transport.is_reading() and not self._lost:
                self._transport.resume_reading()
            if self._complete:
                return
            await self._wait()

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent: the last response is complete, and the server keeps the connection."""
        return not self._lost and self._error is None and self._complete and self._keep

    def close(self) -> None:
        """Close it at once: nothing is left to be sent, and a farewell of TLS would only keep the socket longer."""
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        """Wait until something came; raises what went wrong, after all that came before it was read."""
        if self._error is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._error is not None and not self._chunks and not self._complete:
            raise self._error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Failure) -> None:
        self._error = self._error or error
        self._wake()

    # What the socket reports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came; stop reading if much of it waits."""
        self.was_silent = False
        if self._complete:  # nothing was asked
            self.close()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(Failure("bad-response", f"the server does not speak HTTP ({error})"))
            self.close()
            return
        if self._received - self._body > _MAX_HEAD_BYTES + self._body:
            self._fail(Failure("bad-response", f"the server sent more than {_MAX_HEAD_BYTES:,} bytes of headers"))
            self.close()
        elif self._waiting > _MAX_WAITING_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Close the socket."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End a body that lasts until the end of the connection, or report that one is not complete."""
        self._lost = True
        if self._has_head and self._until_close and exc is None:
            self._complete = True
        if not self._complete:
            self._fail(Failure("connection-lost", "the server closed the connection too early", temporary=True))
        self._wake()
        if not self.lost.done():
            self.lost.set_result(None)

    # What the parser reports

    def on_message_begin(self) -> None:
        """If a second response follows that nobody asked for, the connection is not used again."""
        if self._complete:
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; those after the body (trailers) are left out."""
        if not self._has_head:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there, unless it is that of an interim response."""
        if self._complete:
            return
        self.status = self._parser.get_status_code()
        if self.status < _FIRST_FINAL_STATUS:
            self.headers.clear()
            return
        names = {name.lower() for name, _ in self.headers}
        self._until_close = not names & {b"content-length", b"transfer-encoding"}
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self._complete:
            return
        self._body += len(body)
        self._waiting += len(body)
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """The response is complete, unless it was an interim one."""
        if self._has_head and not self._complete:
            self._complete = True
            self._keep = self._parser.should_keep_alive()
