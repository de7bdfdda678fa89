"""The page without JavaScript: a plain form, and a plain page that answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import DESKTOP, PHONE
from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.problems import assert_problem
from tests.support.server import RunningServer

PLAIN = {**DESKTOP, "java_script_enabled": False}
KEY = "a-key-of-the-variable"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = "<script>alert(1)</script>&amp;"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("form") / "hostile"
    with RunningServer(write_tiny_bundle(path, name=HOSTILE, classes=(HOSTILE, "Golden-Delicious", "b"))) as running:
        yield running


def send_form(page: Page, data: bytes) -> None:
    page.set_input_files("#plain-file", {"name": "photo.png", "mimeType": "image/png", "buffer": data})
    page.get_by_role("button", name="What is in this photo?").click()


@pytest.mark.browser
@pytest.mark.parametrize("window", [PLAIN, {**PHONE, "java_script_enabled": False}], ids=["desktop", "phone"])
def test_a_photo_is_answered_by_a_page(visit: Any, server: RunningServer, window: dict[str, Any]) -> None:
    page = visit(server, window=window, expected_errors="415")
    expect(page.locator("#zone")).to_be_hidden()
    send_form(page, make_image("green"))
    expect(page.locator("h1")).to_have_text("colours")
    expect(page.locator("h2")).to_have_text("green")
    expect(page.locator(".bars li").first).to_contain_text("94.4%")
    expect(page.get_by_role("meter")).to_have_count(3)
    width, room = page.locator("main").bounding_box()["width"], page.viewport_size["width"]
    assert width <= room
    send_form(page, b"hello")
    expect(page.locator(".error")).to_contain_text("not an image")
    send_form(page, make_image("red"))
    expect(page.locator("h2")).to_have_text("red")


@pytest.mark.browser
def test_with_api_keys_it_says_that_it_cannot_be_used(visit: Any, bundle_path: Path) -> None:
    with RunningServer(bundle_path, environ={"FIELDGUIDE_API_KEYS": KEY}) as guarded:
        page = visit(guarded, window=PLAIN)
        expect(page.locator("main")).to_contain_text("This service needs an API key")
        expect(page.locator("#plain-file")).to_have_count(0)
        form = {"files": {"file": make_image("green")}}
        response = httpx.post(guarded.url, headers=BROWSER, **form)
        assert (response.status_code, response.headers["content-type"]) == (403, "text/html; charset=utf-8")
        assert "cannot be used" in response.text
        assert "green" not in response.text
        assert_problem(httpx.post(guarded.url, **form), 403)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "image/png", 400),
        (b"hello", "image/png", 415),
        (b"hello", "text/html", 415),
        (bytes(200_001), "image/png", 413),
        (make_image("red")[:80], "image/png", 422),
        (b"hello", "multipart/form-data", 400),
    ],
)
def test_every_error_is_a_page_for_browsers_and_a_problem_for_programs(
    client: httpx.Client, content: bytes, kind: str, status: int
) -> None:
    as_page = client.post("/", content=content, headers={"Content-Type": kind, **BROWSER})
    as_problem = client.post("/", content=content, headers={"Content-Type": kind})
    detail = assert_problem(as_problem, status)
    assert as_page.status_code == status
    assert as_page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in as_page.headers["content-security-policy"]
    assert as_page.headers["cache-control"] == "no-store"
    assert detail.replace("'", "&#x27;") in as_page.text


def test_names_are_text_and_labels_are_read_with_blanks(hostile: RunningServer) -> None:
    files = {"file": make_image("red")}
    page = httpx.post(hostile.url, files=files, headers=BROWSER).text
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;") >= 3
    assert "Golden Delicious" in page


def test_no_label_and_several(plain_client: httpx.Client, multilabel_client: httpx.Client) -> None:
    assert '<h2 class="unsure">I am not sure.</h2>' in plain_client.post("/", files={"file": make_image("green")}).text
    assert "<h2>red, green</h2>" in multilabel_client.post("/", files={"file": make_image("yellow")}).text
