"""API keys, trusted hosts, cross-origin requests and the headers that browsers heed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.settings import BadSetting, Settings
from service.web.middleware.api_keys import APIKeys
from tests.support.bundles import make_image
from tests.support.problems import assert_problem
from tests.support.server import RunningServer, exchange, run_serve

KEY, FILE_KEY = "a-key-of-the-variable", "another~key/of+the=file"
IMAGE = {"Content-Type": "image/png"}
PUBLIC = ("/", "/page/app.js", "/livez", "/readyz", "/openapi.json", "/v2/health/live", "/v2/health/ready")
GUARDED = ("/v1/model", "/metrics", "/v2", "/v2/models/colours", "/nothing", "/page", "/livez/")


@pytest.fixture(scope="module")
def guarded(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"# who: me\n\n  {FILE_KEY}\n")
    flags = ["--api-keys-file", str(file), "--trusted-hosts", "127.0.0.1,*.example.org", "--cors-origins"]
    environ = {"FIELDGUIDE_API_KEYS": f"{KEY},unused-unused-unused"}
    with RunningServer(bundle_path, *flags, "https://Page.example", environ=environ) as running:
        yield running


@pytest.fixture
def guarded_client(guarded: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.url, timeout=20) as session:
        yield session


@pytest.mark.parametrize("path", PUBLIC)
def test_what_needs_no_key(guarded_client: httpx.Client, path: str) -> None:
    assert guarded_client.get(path).status_code == 200


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_what_needs_a_key_does_not_even_say_whether_it_is_there(
    guarded_client: httpx.Client, path: str, method: str
) -> None:
    response = guarded_client.request(method, path)
    assert "needs an API key" in assert_problem(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("key", [KEY, FILE_KEY])
def test_a_key_is_taken_in_two_headers(guarded_client: httpx.Client, key: str) -> None:
    for headers in ({"Authorization": f"Bearer {key}"}, {"authorization": f"bearer  {key}"}, {"X-API-Key": key}):
        answer = guarded_client.post("/analyze", content=make_image("red"), headers={**IMAGE, **headers})
        assert answer.json() == {"result": "red"}
        assert_problem(guarded_client.get("/nothing", headers=headers), 404)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {KEY}x", "X-API-Key": KEY},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": KEY.upper()},
        {"X-API-Key": ""},
        {"X-API-Key": "ü".encode()},
        {"Cookie": f"X-API-Key={KEY}"},
    ],
)
def test_other_keys_are_not_taken(guarded_client: httpx.Client, headers: dict[str, str | bytes]) -> None:
    assert_problem(guarded_client.get("/v1/model", headers=headers), 401)
    assert_problem(guarded_client.get(f"/v1/model?api_key={KEY}", headers=headers), 401)


def test_keys_are_shown_nowhere(guarded: RunningServer, guarded_client: httpx.Client) -> None:
    guarded_client.get("/v1/model", headers={"X-API-Key": KEY})
    for text in (guarded.log, repr(Settings(api_keys=KEY)), guarded_client.get("/openapi.json").text):
        assert KEY not in text


def test_keys_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    with pytest.raises(BadSetting, match="cannot be read"):
        APIKeys.read(Settings(api_keys_file=str(file)))
    for content, reason in ((b"", "holds no key"), (b"short\n", "key 1"), (b"\xff\xfe", "cannot be read")):
        file.write_bytes(content)
        with pytest.raises(BadSetting, match=reason):
            APIKeys.read(Settings(api_keys_file=str(file)))


def test_a_service_whose_keys_cannot_be_read_does_not_start(bundle_path: Path, tmp_path: Path) -> None:
    done = run_serve(str(bundle_path), "--port", "0", "--api-keys-file", str(tmp_path / "none"))
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "cannot be read" in done.stderr
    done = run_serve(str(bundle_path), "--port", "0", environ={"FIELDGUIDE_API_KEYS": "short"})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "FIELDGUIDE_API_KEYS must be" in done.stderr
    assert "short" not in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:99", "a.example.org", "A.B.Example.ORG:80"])
def test_hosts_that_are_trusted(guarded_client: httpx.Client, host: str) -> None:
    assert guarded_client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "example.org", "a.example.org.evil.example", "xexample.org", "[::1]:80"]
)
def test_hosts_that_are_not(guarded_client: httpx.Client, host: str) -> None:
    assert "Host" in assert_problem(guarded_client.get("/", headers={"Host": host}), 400)
    assert guarded_client.get("/livez", headers={"Host": host}).status_code == 200


def test_no_host_is_not_trusted(guarded: RunningServer) -> None:
    assert exchange(guarded, b"GET / HTTP/1.0\r\n\r\n")[0] == 400


def test_cross_origin_requests_of_origins_that_are_allowed(guarded_client: httpx.Client) -> None:
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
def test_cross_origin_requests_of_others(guarded_client: httpx.Client, origin: str) -> None:
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


@pytest.mark.parametrize("path", ["/", "/v1/model", "/livez", "/nothing", "/v2", "/metrics"])
def test_headers_that_browsers_heed(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
