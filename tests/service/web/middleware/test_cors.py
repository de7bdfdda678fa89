from __future__ import annotations

import httpx
import pytest

from tests.service.web.middleware.keys import KEY


def test_cross_origin_requests_of_allowed_origins(guarded_client: httpx.Client) -> None:
    headers = {"Origin": "https://page.example", "X-API-Key": KEY}
    for path, status in (("/v1/model", 200), ("/nothing", 404)):
        response = guarded_client.get(path, headers=headers)
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == "https://page.example"
        assert "X-Request-ID" in response.headers["access-control-expose-headers"]
        assert response.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in response.headers
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    response = guarded_client.options("/v1/predict", headers=asked)
    assert response.status_code == 204
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "X-API-Key" in response.headers["access-control-allow-headers"]
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    "origin", ["https://other.example", "http://page.example", "null", "https://page.example:8443"]
)
def test_cross_origin_requests_of_other_origins(guarded_client: httpx.Client, origin: str) -> None:
    for response in (
        guarded_client.get("/v1/model", headers={"Origin": origin, "X-API-Key": KEY}),
        guarded_client.options("/v1/model", headers={"Origin": origin, "Access-Control-Request-Method": "GET"}),
    ):
        assert "access-control-allow-origin" not in response.headers
        assert response.headers["vary"] == "Origin"


def test_no_cross_origin_requests_by_default(client: httpx.Client) -> None:
    for response in (
        client.get("/v1/model", headers={"Origin": "https://page.example"}),
        client.options("/v1/model", headers={"Origin": "https://page.example", "Access-Control-Request-Method": "GET"}),
    ):
        assert not [name for name in response.headers if name.startswith("access-control")]
