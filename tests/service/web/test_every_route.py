"""Every route x every method x every cause of an error: one shape, the right status, nothing internal."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.predictor import Predictor
from service.settings import Settings
from service.web.app import create_app
from service.web.engine import Engine
from tests.support.bundles import make_image
from tests.support.problems import assert_problem
from tests.support.routes import PAGES, PATHS, UPLOADS
from tests.support.server import RunningServer, exchange

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")
MAX_BODY_BYTES = 200_000  # of the fixture `server`
KEY = "a-key-of-the-variable"
IMAGE = make_image("red", size=(300, 300))


def carry(path: str, image: bytes) -> dict[str, Any]:
    """Return a request for the path with these bytes as its image."""
    if not path.startswith("/v2"):
        return {"content": image, "headers": {"Content-Type": "image/png"}}
    text = base64.b64encode(image).decode()
    body = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [text]}]}
    return {"content": json.dumps(body), "headers": {"Content-Type": "application/json"}}


def of_kind(kind: str, content: bytes = b"hello") -> Callable[[str], dict[str, Any]]:
    return lambda _: {"content": content, "headers": {"Content-Type": kind}}


# What is wrong with an upload -> (status, the request for a path).
CAUSES: dict[str, tuple[int, Callable[[str], dict[str, Any]]]] = {
    "no body": (400, of_kind("application/octet-stream", b"")),
    "too many bytes": (413, of_kind("application/octet-stream", bytes(MAX_BODY_BYTES + 1))),
    "a kind of body": (415, of_kind("text/html")),
    "another kind of body": (415, of_kind("text/xml")),
    "an encoded body": (415, lambda _: {"content": b"x", "headers": {"Content-Encoding": "gzip"}}),
    "no image": (415, lambda path: carry(path, b"hello")),
    "a damaged image": (422, lambda path: carry(path, IMAGE[: len(IMAGE) // 2])),
    "an image too thin": (422, lambda path: carry(path, make_image("red", size=(1000, 2)))),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method(client: httpx.Client, path: str, method: str) -> None:
    response = client.request(method, path)
    if method == "OPTIONS":
        assert (response.status_code, response.headers["allow"]) == (204, PATHS[path])
    elif method not in PATHS[path]:
        assert response.headers["allow"] == PATHS[path]
        assert response.status_code == 405
        if method != "HEAD":
            assert_problem(response, 405)
    elif method == "POST":
        assert_problem(response, response.status_code)
        assert response.status_code in (400, 415)
    else:
        assert response.status_code == 200
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("path", UPLOADS)
@pytest.mark.parametrize("cause", CAUSES)
def test_every_fault_of_an_upload(client: httpx.Client, path: str, cause: str) -> None:
    status, request = CAUSES[cause]
    assert_problem(client.post(path, **request(path)), status)


@pytest.mark.parametrize("path", UPLOADS)
def test_every_upload_is_answered(client: httpx.Client, path: str) -> None:
    assert client.post(path, **carry(path, IMAGE)).status_code == 200


@pytest.mark.parametrize("path", UPLOADS)
def test_a_body_that_does_not_arrive(server: RunningServer, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n\r\n"
    status, headers, body = exchange(server, head.encode())
    assert (status, headers["content-type"]) == (408, "application/problem+json")
    assert json.loads(body)["request_id"] == headers["x-request-id"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_paths_below_each_path(client: httpx.Client, path: str, method: str) -> None:
    beside = f"{path.rstrip('/')}/nothing-here"
    # A model's name may hold slashes, so that this is the name of another model.
    takes = {"/models": "POST", "/v2/models": "GET"}
    other = next((takes[start] for start in takes if beside.startswith(f"{start}/")), method)
    assert_problem(client.request(method, beside), 404 if method == other else 405)


def ask(path: str, *, engine: Engine, **options: str) -> httpx.Response:
    """Send a request to an application without a server, in states that a running one seldom has."""

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(engine, Settings(**options)))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            method = "POST" if path in UPLOADS else "GET"
            return await client.request(method, path, **(carry(path, IMAGE) if path in UPLOADS else {}))

    try:
        return asyncio.run(run())
    finally:
        engine.close()


# These answer without a model.
MODELLESS = {*PAGES, "/openapi.json", "/metrics", "/livez", "/v2", "/v2/health/live"}


@pytest.mark.parametrize("path", PATHS)
def test_before_the_model_is_loaded(path: str) -> None:
    response = ask(path, engine=Engine(threads=1))
    if path in MODELLESS:
        assert response.status_code == 200
    else:
        assert_problem(response, 503)
        assert int(response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", PATHS)
def test_while_it_stops(predictor: Predictor, path: str) -> None:
    engine = Engine(threads=1, predictor=predictor)
    engine.health.stopping = True
    response = ask(path, engine=engine)
    if path.endswith(("/readyz", "/ready")):
        assert "stopping" in assert_problem(response, 503)
    else:
        assert response.status_code == 200


@pytest.mark.parametrize("path", UPLOADS)
def test_when_the_queue_is_full(predictor: Predictor, path: str) -> None:
    engine = Engine(threads=1, predictor=predictor)
    engine.permits.taken = engine.permits.count
    response = ask(path, engine=engine)
    assert_problem(response, 429)
    assert int(response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", UPLOADS)
def test_an_internal_error(predictor: Predictor, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the secret of /srv/model.onnx")

    monkeypatch.setattr(predictor, "classify", fail)
    assert "secret" not in assert_problem(ask(path, engine=Engine(threads=1, predictor=predictor)), 500)


@pytest.mark.parametrize("path", PATHS)
def test_without_a_key_and_with_another_host(predictor: Predictor, path: str) -> None:
    response = ask(path, engine=Engine(threads=1, predictor=predictor), api_keys=KEY)
    public = path in PAGES or path.startswith(("/openapi", "/livez", "/readyz", "/v2/health"))
    if public:
        assert response.status_code == 200
    else:
        assert_problem(response, 401)
    response = ask(path, engine=Engine(threads=1, predictor=predictor), trusted_hosts="other.example")
    if path.endswith(("/livez", "/readyz", "/health/live", "/health/ready")):
        assert response.status_code == 200
    else:
        assert_problem(response, 400)
