"""What all error responses have in common."""

from __future__ import annotations

import re

import httpx

# Traces of our own program: files, addresses, names of exceptions.
INTERNAL = r"Traceback|\.py\b|site-packages|/(srv|tmp|home|root|usr)/|0x[0-9a-f]{4}|[a-z]Error\b|onnx"


def assert_problem(response: httpx.Response, status: int) -> str:
    """Check the shape of a problem; returns its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    expected = {"type", "title", "status", "detail", "request_id"}
    if response.request.url.path.startswith(("/v2", "/models/")):
        expected.add("error")
        assert problem["error"] == problem["detail"]
    assert set(problem) == expected
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    detail: str = problem["detail"]
    assert detail.endswith(".")
    assert not re.search(INTERNAL, response.text), detail
    return detail
