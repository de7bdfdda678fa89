"""A problem as the bytes of an answer, for what never becomes a request of the application."""

from __future__ import annotations

import json
from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.web.middleware.security_headers import SECURITY_HEADERS
from service.web.problem import Problem
from service.web.record import request_id


def raw_answer(problem: Problem, *, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The bytes of an answer after which the connection ends."""
    made = request_id()
    body = json.dumps({**problem.to_json(), "request_id": made}).encode()
    own = {
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "connection": "close",
        "x-request-id": made,
        **problem.headers,
    }
    headers = [*default_headers, *((name.encode(), value.encode()) for name, value in own.items()), *SECURITY_HEADERS]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b%b\r\n%b" % (STATUS_LINE[problem.status], lines, body)
