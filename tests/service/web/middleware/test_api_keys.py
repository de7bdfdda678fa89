from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from service.settings import BadSetting, Settings
from service.web.middleware.api_keys import APIKeys
from tests.service.web.middleware.keys import FILE_KEY, KEY
from tests.support.bundles import make_image
from tests.support.problems import assert_problem
from tests.support.server import RunningServer, run_serve

IMAGE = {"Content-Type": "image/png"}
PUBLIC = ("/", "/page/app.js", "/livez", "/readyz", "/openapi.json", "/v2/health/live", "/v2/health/ready")
GUARDED = ("/v1/model", "/metrics", "/v2", "/v2/models/colours", "/nothing", "/page", "/livez/")


@pytest.mark.parametrize("path", PUBLIC)
def test_public_paths(guarded_client: httpx.Client, path: str) -> None:
    assert guarded_client.get(path).status_code == 200


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_paths_that_need_a_key_do_not_reveal_whether_they_exist(
    guarded_client: httpx.Client, path: str, method: str
) -> None:
    response = guarded_client.request(method, path)
    assert "needs an API key" in assert_problem(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("key", [KEY, FILE_KEY])
def test_a_key_is_accepted_in_two_headers(guarded_client: httpx.Client, key: str) -> None:
    for headers in ({"Authorization": f"Bearer {key}"}, {"authorization": f"bearer  {key}"}, {"X-API-Key": key}):
        response = guarded_client.post("/analyze", content=make_image("red"), headers={**IMAGE, **headers})
        assert response.json() == {"result": "red"}
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
def test_other_keys_are_not_accepted(guarded_client: httpx.Client, headers: dict[str, str | bytes]) -> None:
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
    for content, reason in ((b"", "has no key"), (b"short\n", "key 1"), (b"\xff\xfe\0", "cannot be read")):
        file.write_bytes(content)
        with pytest.raises(BadSetting, match=reason):
            APIKeys.read(Settings(api_keys_file=str(file)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n", "\n\n"])
def test_key_files_as_windows_writes_them(tmp_path: Path, encoding: str, end: str) -> None:
    """A byte order mark was taken for a part of the first key."""
    file = tmp_path / "keys.txt"
    file.write_bytes(f"0123456789abcdef0{end}# the second{end}{KEY}{end}".encode(encoding))
    keys = APIKeys.read(Settings(api_keys_file=str(file)))
    assert keys.is_valid("0123456789abcdef0")
    assert keys.is_valid(KEY)


def test_a_service_whose_keys_cannot_be_read_does_not_start(bundle_path: Path, tmp_path: Path) -> None:
    done = run_serve(str(bundle_path), "--port", "0", "--api-keys-file", str(tmp_path / "none"))
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "cannot be read" in done.stderr
    done = run_serve(str(bundle_path), "--port", "0", environ={"FIELDGUIDE_API_KEYS": "short"})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "FIELDGUIDE_API_KEYS must be" in done.stderr
    assert "short" not in done.stderr
