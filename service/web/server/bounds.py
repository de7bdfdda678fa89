"""What a connection may ask for, before there is a request that the application sees."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The numbers.

    max_header_bytes   of one request's line and headers; also of a body's trailers and chunk headers without any data
    max_headers        of one request, its trailers included
    header_timeout_s   time from a request's first byte, or from the connection's begin, to the end of its headers
    max_connections    at the same time
    probe_connections  how many more there may be, each for one request, and that of one of the `probe_paths`
    """

    max_header_bytes: int
    max_headers: int
    header_timeout_s: float
    max_connections: int
    probe_connections: int
    probe_paths: frozenset[bytes]
