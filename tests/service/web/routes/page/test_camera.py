"""The live camera, with the moving test image of the browser: mostly green."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.browser import DESKTOP, PHONE, upload
from tests.support.bundles import make_image
from tests.support.server import RunningServer

pytestmark = pytest.mark.browser

ALLOWED = {**DESKTOP, "permissions": ["camera"]}


@pytest.fixture(scope="module")
def filming(bundle_path: Path) -> Iterator[RunningServer]:
    with RunningServer(bundle_path, "--camera", "on") as running:
        yield running


def start_camera(page: Page) -> None:
    page.get_by_role("button", name="Live camera").click()
    expect(page.locator(".bars li")).to_have_count(3)


def is_filming(page: Page) -> bool:
    found: bool = page.evaluate("document.getElementById('video').srcObject !== null")
    return found


def test_the_policy_follows_the_setting(client: httpx.Client, filming: RunningServer) -> None:
    assert "camera=()," in client.get("/").headers["permissions-policy"]
    allowed = httpx.get(filming.url).headers["permissions-policy"]
    assert "camera=(self)," in allowed
    assert "microphone=()" in allowed


def test_without_the_setting_there_is_no_camera(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    expect(page.locator(".known")).to_be_visible()
    expect(page.get_by_role("button", name="Live camera")).to_be_hidden()


@pytest.mark.parametrize("window", [ALLOWED, {**PHONE, "permissions": ["camera"]}], ids=["desktop", "phone"])
def test_it_classifies_what_it_sees_until_it_is_stopped(
    visit: Any, filming: RunningServer, window: dict[str, Any]
) -> None:
    page = visit(filming, window={**window, "reduced_motion": "reduce"})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "predict" in request.url else None)
    expect(page.locator(".known")).to_be_visible()
    assert not is_filming(page)  # it asks only when it is wanted
    start_camera(page)
    expect(page.locator("h2")).to_have_text("green")
    page.wait_for_timeout(1500)
    assert 2 <= len(asked) <= 6
    found = Axe().run(page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []
    page.get_by_role("button", name="Stop the camera").click()
    assert not is_filming(page)
    expect(page.locator("#zone")).to_be_visible()
    expect(page.get_by_role("button", name="Live camera")).to_be_focused()
    count = len(asked)
    page.wait_for_timeout(800)
    assert len(asked) <= count + 1  # that which was on its way


def test_a_frame_is_taken_as_a_photo(visit: Any, filming: RunningServer) -> None:
    page = visit(filming, window=ALLOWED)
    start_camera(page)
    page.get_by_role("button", name="Take this photo").click()
    expect(page.locator("#preview")).to_be_visible()
    expect(page.locator("h2")).to_have_text("green")
    expect(page.get_by_role("switch")).to_be_visible()
    assert not is_filming(page)


REASONS = {
    "NotAllowedError": "Allow it beside the address of this page, then try again.",
    "NotFoundError": "There is no camera.",
    "NotReadableError": "in use by another program",
    "AbortError": "The camera cannot be used: because",
}


def test_why_it_cannot_be_used(visit: Any, filming: RunningServer) -> None:
    page = visit(filming)
    upload(page, make_image("red"))
    expect(page.locator("h2")).to_have_text("red")
    for name, text in REASONS.items():
        reject = f"() => Promise.reject(new DOMException('because', {json.dumps(name)}))"
        page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = {reject}; }}")
        page.get_by_role("button", name="Live camera").click()
        expect(page.get_by_role("alert")).to_contain_text(text)
        expect(page.locator("#zone")).to_be_visible()
        expect(page.locator("#preview")).to_be_hidden()
        expect(page.locator("#result .known")).to_be_visible()


def test_without_https_it_says_so(visit: Any, filming: RunningServer) -> None:
    page = visit(filming)
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.get_by_role("button", name="Live camera").click()
    expect(page.get_by_role("alert")).to_contain_text("only over HTTPS")
