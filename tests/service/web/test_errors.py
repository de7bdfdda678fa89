from __future__ import annotations

import re

import httpx
import pytest

from tests.support.bundles import make_image
from tests.support.problems import assert_problem
from tests.support.routes import PATHS

UPLOADS = ("/v1/predict", "/analyze")


@pytest.mark.parametrize("path", [path for path, allow in PATHS.items() if "GET" in allow])
def test_head_has_the_headers_of_get(client: httpx.Client, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert not head.content
    for name in ("content-type",) if path == "/metrics" else ("content-length", "content-type"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("path", ["/nothing", "/v1/predict/", "/v1", "/page/", "/page/%2e%2e/app.py"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_path(client: httpx.Client, path: str, method: str) -> None:
    assert_problem(client.request(method, path), 404)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/predict", "/v1/predict"),
        ("/v1/predict/", "/v1/predict"),
        ("/predictions", "/v1/predict"),
        ("/Model", "/v1/model"),
        ("/analyse", "/analyze"),
        ("/ready", "/readyz"),
        ("/openapi", "/openapi.json"),
        ("/" + "x" * 2000, None),
        ("/nothing", None),
    ],
)
def test_an_unknown_path_is_answered_with_the_one_that_was_meant(
    client: httpx.Client, path: str, meant: str | None
) -> None:
    detail = assert_problem(client.get(path), 404)
    assert detail.startswith(f"There is nothing at this path{f'; did you mean {meant}?' if meant else '.'} /docs")


@pytest.mark.parametrize("path", UPLOADS)
@pytest.mark.parametrize("kind", ["text/plain", "application/json", "video/mp4", "text/html; charset=utf-8", "image"])
def test_content_types_that_are_not_accepted(client: httpx.Client, path: str, kind: str) -> None:
    assert_problem(client.post(path, content=make_image(), headers={"Content-Type": kind}), 415)


@pytest.mark.parametrize("path", UPLOADS)
def test_content_encodings_that_are_not_accepted(client: httpx.Client, path: str) -> None:
    headers = {"Content-Type": "image/png", "Content-Encoding": "gzip"}
    assert "gzip" in assert_problem(client.post(path, content=make_image(), headers=headers), 415)
    response = client.post(path, content=make_image(), headers={**headers, "Content-Encoding": "identity"})
    assert response.status_code == 200


@pytest.mark.parametrize("path", UPLOADS)
def test_bytes_that_are_no_image(client: httpx.Client, path: str) -> None:
    for data in (b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", bytes(1000)):
        assert_problem(client.post(path, content=data, headers={"Content-Type": "image/jpeg"}), 415)
        assert_problem(client.post(path, files={"file": data}), 415)


@pytest.mark.parametrize("path", UPLOADS)
def test_image_that_cannot_be_decoded(client: httpx.Client, path: str) -> None:
    image = make_image("red", size=(300, 300))
    assert_problem(client.post(path, content=image[: len(image) // 2], headers={"Content-Type": "image/png"}), 422)
    thin = make_image("red", size=(1000, 2))
    assert "50 times" in assert_problem(client.post(path, files={"file": thin}), 422)


@pytest.mark.parametrize("path", UPLOADS)
def test_empty_body(client: httpx.Client, path: str) -> None:
    assert_problem(client.post(path, content=b"", headers={"Content-Type": "image/png"}), 400)


def test_the_clients_request_id_is_kept(client: httpx.Client) -> None:
    for path in ("/livez", "/nothing"):
        response = client.get(path, headers={"X-Request-ID": "trace-7.a_b:c"})
        assert response.headers["x-request-id"] == "trace-7.a_b:c"


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 65, "<script>", "ü".encode()])
def test_a_request_gets_a_new_id_if_its_own_is_not_valid(client: httpx.Client, given: str | bytes | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    ids = [client.get("/livez", headers=headers).headers["x-request-id"] for _ in range(2)]
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in ids)
    assert ids[0] != ids[1]
