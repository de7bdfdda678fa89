"""uvicorn's HTTP connection, with limits on what an application never sees: headers, connections, pipelining."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.problem import Problem
from service.web.middleware.cors import CORSPolicy
from service.web.middleware.security_headers import security_headers
from service.web.record import request_id
from service.web.server.coalesced_writes import CoalescedWrites
from service.web.telemetry.metrics import Metrics

# Requests that may wait on one connection while an earlier one is processed (HTTP pipelining).
_MAX_PIPELINED = 32
# How often to ask whether a half-closed connection was reset: nobody reads from it any more, and so notices.
_RESET_CHECK_S = 0.5
_ABSOLUTE_TARGET = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?([^/?#]*)(.*)", re.DOTALL)
_ORIGIN_HEADER = re.compile(rb"\r\norigin:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)


@dataclass(kw_only=True)
class ConnectionLimits:
    """Limits on connections and headers.

    Attributes:
        max_header_bytes: Longest request line and headers; also a body's trailers and chunk headers without any data.
        max_headers: Most headers of one request, its trailers included.
        header_timeout_s: Time from a request's first byte, or from the start of the connection, to the end of its
            headers, seconds.
        max_connections: Most connections at the same time. It may be lowered before the service is ready.
        probe_connections: How many more there may be, each for a single request to one of the `probe_paths`.
        probe_paths: Paths of health probes.
    """

    max_header_bytes: int
    max_headers: int
    header_timeout_s: float
    max_connections: int
    probe_connections: int
    probe_paths: frozenset[bytes]


class _Rejected(Exception):
    """Raised in a callback of the parser, to stop it."""


class LimitedProtocol(HttpToolsProtocol):
    """Responds with a problem to what exceeds a limit, and closes the connection.

    A client may close its half of the connection after its requests, and still gets their responses. It has left only
    if the connection was reset, if a write failed, or if it closed its half in the middle of a request.
    """

    def __init__(self, *, limits: ConnectionLimits, metrics: Metrics, cors: CORSPolicy, **options: Any) -> None:
        super().__init__(**options)
        self._limits = limits
        self._metrics = metrics
        self._cors = cors
        self._message_complete = True
        self._unparsed = b""  # what arrived last, while it is parsed
        self._reset_check: asyncio.TimerHandle | None = None
        self._header_count = 0
        self._header_bytes = 0  # of the headers that are complete
        self._unframed_bytes = 0  # since the start of a request, or since the last data of its body
        self._headers_complete = False
        self._is_surplus = False
        self._rejection: tuple[str, Problem] | None = None  # cause, problem
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Reject it if there are too many connections even for health probes."""
        super().connection_made(cast(asyncio.Transport, CoalescedWrites(transport)))
        self._disconnected = self.loop.create_future()
        self._start_header_timer()
        surplus = len(self.connections) - self._limits.max_connections
        self._is_surplus = surplus > 0
        if surplus > self._limits.probe_connections:
            self._reject("connections", _too_many())

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers, and report that the client has disconnected."""
        self._stop_header_timer()
        if self._reset_check is not None:
            self._reset_check.cancel()
        self._disconnected.set_result(None)
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection open for the responses to complete requests; returns whether there are any."""
        if not self._message_complete or self.cycle is None or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False  # of the last request
        self._reset_check = self.loop.call_later(_RESET_CHECK_S, self._check_reset)
        return True

    def data_received(self, data: bytes) -> None:
        """Parse it, unless the headers have become too long."""
        if self.transport.is_closing():
            return
        self._unparsed = data
        self._receive(data)
        self._unparsed = b""

    def _receive(self, data: bytes) -> None:
        self._unframed_bytes += len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        if self.transport.is_closing():
            return
        if not self._headers_complete or self.cycle is None or self.cycle.response_complete:
            self._start_header_timer()
        if self._unframed_bytes > self._limits.max_header_bytes:
            self._reject("headers_large", self._too_large())

    def on_message_begin(self) -> None:
        """Start counting."""
        if len(self.pipeline) >= _MAX_PIPELINED:
            self._raise("malformed", Problem(400, f"More than {_MAX_PIPELINED} requests wait on this connection."))
        self._header_count = self._header_bytes = self._unframed_bytes = 0
        self._headers_complete = self._message_complete = False
        super().on_message_begin()
        self.scope["state"]["disconnected"] = self._disconnected  # see `Record`

    def on_url(self, url: bytes) -> None:
        """Count it like a header."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count it. A trailer comes here too, and is dropped: it must not be taken for a header (RFC 9110, 6.5.1)."""
        self._header_count += 1
        self._count(len(name) + len(value) + 4)
        if self._header_count > self._limits.max_headers:
            self._raise("headers_large", Problem(431, f"The request has more than {self._limits.max_headers} headers."))
        if not self._headers_complete:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the application."""
        self._stop_header_timer()
        self._headers_complete = True
        self._unframed_bytes = 0
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._raise("malformed", Problem(400, "CONNECT is not allowed."))
            return  # the parser stops here, and `_parse` continues
        self._resolve_target()
        if self._is_surplus and self.url.partition(b"?")[0] not in self._limits.probe_paths:
            self._raise("connections", _too_many())
        super().on_headers_complete()
        if self._is_surplus:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Start counting anew. What else came with it is limited by the size of one read."""
        self._unframed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Start counting anew. What follows is another request."""
        self._unframed_bytes = 0
        if not self.parser.should_upgrade():
            self._message_complete = True
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Reject the request. Called when the parser fails, by itself or by an exception of a callback."""
        problem = Problem(400, f"{msg.rstrip('.')}.")
        self._reject(*(self._rejection or ("malformed", problem)))

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = self._headers_without_upgrade() + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # like uvicorn
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return

    def _headers_without_upgrade(self) -> bytes:
        """Return the request line and headers without the request for another protocol.

        A server may ignore it (RFC 9110, 7.8), but the parser cannot: it treats the body, and all that follows, as that
        protocol. Java's own client asks for HTTP/2 with every request.
        """
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _resolve_target(self) -> None:
        """Check the Host header, and turn an absolute target into path and host (RFC 9112, 3.2)."""
        hosts = [number for number, (name, _) in enumerate(self.headers) if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._raise("malformed", Problem(400, f"The request has {len(hosts)} Host headers; it must have one."))
        absolute = _ABSOLUTE_TARGET.fullmatch(self.url)
        if absolute is None:
            return
        host, path = absolute.groups()
        self.url = path if path.startswith(b"/") else b"/" + path
        for number in hosts:
            self.headers[number] = (b"host", host)

    def _check_reset(self) -> None:
        """Leave a half-closed connection that was reset meanwhile."""
        if self.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
        elif not self.transport.is_closing():
            self._reset_check = self.loop.call_later(_RESET_CHECK_S, self._check_reset)

    def _cors_headers(self) -> Mapping[str, str]:
        """Return the headers for the Origin of this request; it may be among what is not parsed because of an error."""
        origin = dict(self.headers or ()).get(b"origin")
        if origin is None and (found := _ORIGIN_HEADER.search(self._unparsed)):
            origin = found[1]
        return self._cors.headers(origin.decode("latin-1") if origin is not None else None)

    def _count(self, count: int) -> None:
        self._header_bytes += count
        if self._header_bytes > self._limits.max_header_bytes:
            self._raise("headers_large", self._too_large())

    def _too_large(self) -> Problem:
        return Problem(431, f"The headers are longer than the limit of {self._limits.max_header_bytes:,} bytes.")

    def _start_header_timer(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self._limits.header_timeout_s, self._on_header_timeout)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _on_header_timeout(self) -> None:
        self._header_timer = None
        if self.transport.is_closing():
            return
        timeout_s = self._limits.header_timeout_s
        self._reject("headers_slow", Problem(408, f"The headers did not arrive within {timeout_s:g} seconds."))

    def _raise(self, cause: str, problem: Problem) -> None:
        """Stop the parser, which then calls `send_400_response`."""
        self._rejection = (cause, problem)
        raise _Rejected

    def _reject(self, cause: str, problem: Problem) -> None:
        """Send the problem, unless the response of an earlier request has started, and close the connection."""
        self._metrics.reject(cause)
        cycle = self.cycle
        if not self.pipeline and (cycle is None or cycle.response_complete or not cycle.response_started):
            response = raw_response(
                problem, default_headers=self.server_state.default_headers, more_headers=self._cors_headers()
            )
            self.transport.write(response)
        self.transport.close()


def _too_many() -> Problem:
    return Problem(503, "Too many connections.", headers={"Retry-After": "1"})


def raw_response(
    problem: Problem, *, default_headers: Iterable[tuple[bytes, bytes]], more_headers: Mapping[str, str]
) -> bytes:
    """Encode a problem as a response, for what never reaches the application. The connection is closed after it.

    Args:
        problem: The problem.
        default_headers: uvicorn's own headers, such as Date.
        more_headers: Others, such as those of CORS.
    """
    new_id = request_id()
    body = json.dumps({**problem.to_json(), "request_id": new_id}).encode()
    own_headers = {
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "connection": "close",
        "x-request-id": new_id,
        **problem.headers,
        **more_headers,
    }
    headers = [
        *default_headers,
        *((name.encode(), value.encode()) for name, value in own_headers.items()),
        *security_headers(),
    ]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b%b\r\n%b" % (STATUS_LINE[problem.status], lines, body)
