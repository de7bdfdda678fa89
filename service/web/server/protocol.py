"""The HTTP connection: uvicorn's, with the bounds that an application cannot set because it never sees these bytes."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.web.problem import Problem
from service.web.server.bounds import Bounds
from service.web.server.joined import JoinedWrites
from service.web.server.refusal import raw_answer
from service.web.telemetry.metrics import Metrics

# Requests that may wait on one connection while an earlier one is answered (HTTP pipelining).
_MAX_PIPELINED = 32


class _Refused(Exception):
    """Raised within the parser, which ends with it."""


class BoundedProtocol(HttpToolsProtocol):
    """Refuses with a problem what is out of bounds, and closes the connection."""

    def __init__(self, *, bounds: Bounds, metrics: Metrics, **options: Any) -> None:
        super().__init__(**options)
        self._bounds = bounds
        self._metrics = metrics
        self._header_count = 0
        self._header_bytes = 0  # of the headers that are complete
        self._unframed_bytes = 0  # since a request began or the last data of its body
        self._head_ended = False
        self._is_surplus = False
        self._refusal: tuple[str, Problem] | None = None
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse it where there are too many even for probes."""
        super().connection_made(cast(asyncio.Transport, JoinedWrites(transport)))
        self._departure = self.loop.create_future()
        self._expect_headers()
        surplus = len(self.connections) - self._bounds.max_connections
        self._is_surplus = surplus > 0
        if surplus > self._bounds.probe_connections:
            self._refuse("connections", _too_many())

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer, and say that the client has left."""
        self._headers_arrived()
        self._departure.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse it, unless more has come than headers may have."""
        if self.transport.is_closing():
            return
        self._unframed_bytes += len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        if self.transport.is_closing():
            return
        if not self._head_ended or self.cycle is None or self.cycle.response_complete:
            self._expect_headers()
        if self._unframed_bytes > self._bounds.max_header_bytes:
            self._refuse("headers_large", self._too_large())

    def on_message_begin(self) -> None:
        """Begin to count."""
        if len(self.pipeline) >= _MAX_PIPELINED:
            self._raise("malformed", Problem(400, f"More than {_MAX_PIPELINED} requests wait on this connection."))
        self._header_count = self._header_bytes = self._unframed_bytes = 0
        self._head_ended = False
        super().on_message_begin()
        self.scope["state"]["departure"] = self._departure  # see `Record`

    def on_url(self, url: bytes) -> None:
        """Count it as a header."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count it. A trailer comes here too, and is dropped: it must not pass for a header (RFC 9110, 6.5.1)."""
        self._header_count += 1
        self._count(len(name) + len(value) + 4)
        if self._header_count > self._bounds.max_headers:
            self._raise("headers_large", Problem(431, f"The request has more than {self._bounds.max_headers} headers."))
        if not self._head_ended:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the application begin."""
        self._headers_arrived()
        self._head_ended = True
        self._unframed_bytes = 0
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._raise("malformed", Problem(400, "CONNECT is not taken here."))
            return  # the parser ends here, and `_parse` goes on
        if self._is_surplus and self.url.partition(b"?")[0] not in self._bounds.probe_paths:
            self._raise("connections", _too_many())
        super().on_headers_complete()
        if self._is_surplus:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """The rest of what came with it is bounded by the size of one read."""
        self._unframed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What follows is another request."""
        self._unframed_bytes = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Called where the parser gave up: of itself, or because of what was raised within."""
        problem = Problem(400, f"{msg.rstrip('.')}.")
        self._refuse(*(self._refusal or ("malformed", problem)))

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does it
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return

    def _head_without_upgrade(self) -> bytes:
        """The request as though it had not asked for another protocol, which a server may ignore (RFC 9110, 7.8).

        The parser cannot be told to: it takes the body, and all that follows, for that protocol. Java's own client
        asks for HTTP/2 with every request.
        """
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _count(self, count: int) -> None:
        self._header_bytes += count
        if self._header_bytes > self._bounds.max_header_bytes:
            self._raise("headers_large", self._too_large())

    def _too_large(self) -> Problem:
        return Problem(431, f"The headers are longer than the {self._bounds.max_header_bytes:,} bytes taken here.")

    def _expect_headers(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self._bounds.header_timeout_s, self._headers_are_late)

    def _headers_arrived(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _headers_are_late(self) -> None:
        self._header_timer = None
        if self.transport.is_closing():
            return
        timeout_s = self._bounds.header_timeout_s
        self._refuse("headers_slow", Problem(408, f"The headers did not arrive within {timeout_s:g} seconds."))

    def _raise(self, cause: str, problem: Problem) -> None:
        self._refusal = (cause, problem)
        raise _Refused

    def _refuse(self, cause: str, problem: Problem) -> None:
        """Answer, where no answer of an earlier request is under way, and close."""
        self._metrics.reject(cause)
        cycle = self.cycle
        if not self.pipeline and (cycle is None or cycle.response_complete or not cycle.response_started):
            self.transport.write(raw_answer(problem, default_headers=self.server_state.default_headers))
        self.transport.close()


def _too_many() -> Problem:
    return Problem(503, "Too many connections.", headers={"Retry-After": "1"})
