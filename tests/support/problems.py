"""What every error answer has in common."""

from __future__ import annotations

import httpx


def assert_problem(response: httpx.Response, status: int) -> str:
    """Check the shape of a problem; returns its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    detail: str = problem["detail"]
    assert detail.endswith(".")
    assert "Traceback" not in detail
    return detail
