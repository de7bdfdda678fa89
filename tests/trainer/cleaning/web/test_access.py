"""Only the browser that the token was given to gets an answer, and only for its own pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.cleaning import URL, Page, write_subject
from trainer.cleaning.web.access import Access
from trainer.cleaning.web.app import create_app
from trainer.cleaning.web.routes import Handlers, Tools

KEEP = {"edits": [{"kind": "keep", "ids": [1]}]}
PATHS = ("/", "/api/state", "/api/queue?name=everything", "/api/ids?name=everything", "/api/summary", "/api/images/0")
IMAGES = ("/images/0/thumb", "/images/0/photo", "/images/0/heatmap?label=red")
POSTS = ("/api/edits", "/api/undo", "/api/finish")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    page = Page(write_subject(tmp_path_factory.mktemp("subject")))
    yield page
    assert not page.subject.edits.exists()  # no test here may decide anything
    assert not page.subject.cleaned.exists()


@pytest.mark.parametrize("path", [*PATHS, *IMAGES])
def test_nothing_is_shown_without_the_cookie(page: Page, path: str) -> None:
    stranger = TestClient(page.client.app, base_url=URL)
    name = next(iter(page.client.cookies))
    for cookie in (None, "", "x" * 43, page.access.token):
        stranger.cookies.clear()
        if cookie is not None:
            stranger.cookies.set(name, cookie)
        answer = stranger.get(path)
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
        assert "red" not in answer.text


@pytest.mark.parametrize("path", POSTS)
def test_nothing_is_decided_without_the_cookie(page: Page, path: str) -> None:
    stranger = TestClient(page.client.app, base_url=URL)
    assert stranger.post(path, json=KEEP, headers={"Origin": URL}).status_code == 403


@pytest.mark.parametrize("path", [*PATHS, *IMAGES, "/assets/base.css", "/open"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "0.0.0.0:8000", ""])
def test_another_host_is_refused_so_that_no_name_can_be_bound_to_this_machine(page: Page, path: str, host: str) -> None:
    assert page.client.get(path, headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000", "localhost:1234"])
def test_the_names_of_this_machine_are_hosts_with_any_port_of_a_tunnel(page: Page, host: str) -> None:
    """The cookie is of 127.0.0.1 in this client: it is sent by hand."""
    name, value = next(iter(page.client.cookies.items()))
    headers = {"Host": host, "Cookie": f"{name}={value}"}
    assert page.client.get("/api/state", headers=headers).status_code == 200
    wrong = {**headers, "Origin": f"http://{host}"}
    assert page.client.post("/api/undo", json={}, headers=wrong).status_code == 200


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:8001"},
        {"Origin": "https://127.0.0.1:8000"},
        {"Origin": "http://localhost:8000"},
        {"Origin": f"{URL}.evil.example"},
        {"Origin": URL, "Sec-Fetch-Site": "cross-site"},
        {"Origin": URL, "Sec-Fetch-Site": "same-site"},
        {"Origin": URL, "Sec-Fetch-Site": "none"},
    ],
)
def test_the_page_of_another_origin_decides_nothing(page: Page, path: str, headers: dict[str, str]) -> None:
    assert page.client.post(path, json=KEEP, headers=headers).status_code == 403


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_can_send_is_refused(page: Page, path: str, kind: str) -> None:
    answer = page.client.post(path, content=b"{}", headers={"Origin": URL, "Content-Type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize("path", [*PATHS, *IMAGES])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_the_page_of_another_site_embeds_nothing(page: Page, path: str, site: str) -> None:
    """A page on another port of this machine is of the same site: the cookie would be sent with its requests."""
    assert page.client.get(path, headers={"Sec-Fetch-Site": site}).status_code == 403


def test_the_token_opens_the_page_once(tmp_path: Path) -> None:
    page = Page(write_subject(tmp_path, each=1), opened=False)
    used: list[int] = []
    page.access._on_used = lambda: used.append(1)
    for wrong in ("", "x", page.access.token[:-1], page.access.token + "x", "é"):
        assert page.client.get("/open", params={"token": wrong}).status_code == 403
    assert page.client.head("/open", params={"token": page.access.token}).status_code == 405
    assert not used
    opened = page.client.get("/open", params={"token": page.access.token})
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    assert used == [1]
    cookie = opened.headers["set-cookie"].lower()
    assert cookie.startswith("fieldguide-clean-8000=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert page.access.token not in opened.headers["set-cookie"]
    assert page.client.get("/").status_code == 200
    assert page.client.get("/open", params={"token": page.access.token}).status_code == 303  # this browser, again
    again = TestClient(page.client.app, base_url=URL).get("/open", params={"token": page.access.token})
    assert again.status_code == 403
    assert "used already" in again.json()["detail"]
    assert used == [1]


def test_after_the_private_file_a_page_of_our_own_goes_on(tmp_path: Path) -> None:
    """A browser sends no SameSite=Strict cookie with a redirect that began elsewhere: the page would be refused."""
    page = Page(write_subject(tmp_path, each=1), opened=False)
    opened = page.client.get("/open", params={"token": page.access.token}, headers={"Sec-Fetch-Site": "cross-site"})
    assert opened.status_code == 200
    assert 'http-equiv="refresh" content="0;url=/"' in opened.text
    assert "set-cookie" in opened.headers


def test_with_tls_the_cookie_is_secure_and_the_origin_https(tmp_path: Path) -> None:
    page = Page(write_subject(tmp_path, each=1))
    access = Access(8443, hosts=None, is_encrypted=True)
    client = TestClient(
        create_app(Handlers(views=page.views, tools=Tools()), access), base_url="https://photos.example"
    )
    opened = client.get("/open", params={"token": access.token}, follow_redirects=False)
    assert "secure" in opened.headers["set-cookie"].lower()
    assert client.post("/api/undo", json={}, headers={"Origin": "https://photos.example"}).status_code == 200
    assert client.post("/api/undo", json={}, headers={"Origin": "http://photos.example"}).status_code == 403


@pytest.mark.parametrize("path", ["/", "/assets/base.css", "/api/state", "/images/0/thumb", "/nowhere", "/open"])
def test_every_answer_restricts_what_a_browser_does_with_it(page: Page, path: str) -> None:
    headers = page.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
