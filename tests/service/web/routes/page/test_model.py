"""The page when the model cannot be fetched, and when another one takes its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import give, upload
from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.server import RunningServer

pytestmark = pytest.mark.browser

REFUSED = "ERR_"  # what the console says of a connection that failed


def without_model(page: Page, **how: Any) -> None:
    """Load the page anew with a model that cannot be fetched, until the caller unroutes it."""
    page.route("**/v1/model", lambda route: route.fulfill(**how) if how else route.abort())
    page.reload()
    expect(page.get_by_role("alert")).not_to_be_empty()


def test_after_a_failure_the_next_photo_is_classified(visit: Any, server: RunningServer) -> None:
    page = visit(server, expected_errors=REFUSED)
    without_model(page)
    upload(page, make_image("red"))
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.unroute("**/v1/model")
    upload(page, make_image("blue"))
    expect(page.locator("h2")).to_have_text("blue")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator("#model")).to_contain_text("colours, version 1")


@pytest.mark.parametrize("how", [{}, {"status": 500, "body": "{}"}, {"status": 502, "body": "<h1>Bad Gateway</h1>"}])
def test_trying_again_recovers_from_every_failure(visit: Any, server: RunningServer, how: dict[str, Any]) -> None:
    page = visit(server, expected_errors="Failed to load resource")
    without_model(page, **how)
    expect(page.locator("#model")).to_have_text("No model")
    page.unroute("**/v1/model")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#model")).to_contain_text("colours")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()


def test_it_recovers_when_the_network_is_back(visit: Any, server: RunningServer) -> None:
    page = visit(server, expected_errors=REFUSED)
    without_model(page)
    page.unroute("**/v1/model")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator("#model")).to_contain_text("colours")


def test_after_a_redeploy_it_names_the_new_model(visit: Any, bundle_path: Path, tmp_path: Path, free_port: int) -> None:
    """The second bundle has other classes and no heatmaps, which the page asked the first one for."""
    other = write_tiny_bundle(
        tmp_path / "moods", name="moods", version="2", classes=("angry", "calm", "sad"), with_features=False
    )  # fmt: skip
    port = ("--port", str(free_port))
    with RunningServer(bundle_path, *port) as before:
        page = visit(before, expected_errors="400")
        upload(page, make_image("red"))
        expect(page.locator("h2")).to_have_text("red")
        before.stop()
        with RunningServer(other, *port):
            upload(page, make_image("green"))
            expect(page.locator("h2")).to_have_text("calm")
            expect(page.locator("#model")).to_have_text("moods, version 2 · 3 classes")
            expect(page.locator("#title")).to_have_text("moods")
            page.get_by_text("What it knows").click()
            expect(page.locator("#class-list li")).to_have_text(["angry", "calm", "sad"])
            expect(page.get_by_role("switch")).to_be_hidden()


def test_an_answer_of_a_model_that_the_service_does_not_describe(visit: Any, server: RunningServer) -> None:
    """During an update two models may take turns: the answer is shown, with what it says itself."""
    page = visit(server)
    expect(page.locator(".known")).to_be_visible()
    page.route("**/v1/model", lambda route: route.fulfill(json={**route.fetch().json(), "digest": "sha256:other"}))
    page.reload()
    upload(page, make_image("red"))
    expect(page.locator("h2")).to_have_text("red")
    expect(page.locator(".percent").first).to_have_text("99.8%")


@pytest.mark.parametrize(
    ("kind", "file", "message"),
    [
        ("paste", None, "There is no image on the clipboard."),
        ("paste", ("report.pdf", "application/pdf"), "“report.pdf” is not an image."),
        ("drop", None, "That was not a file."),
        ("drop", ("clip.mp4", "video/mp4"), "“clip.mp4” is not an image."),
    ],
)
def test_a_wrong_paste_or_drop_leaves_the_answer(
    visit: Any, server: RunningServer, kind: str, file: tuple[str, str] | None, message: str
) -> None:
    page = visit(server)
    upload(page, make_image("red"))
    expect(page.locator("h2")).to_have_text("red")
    give(page, kind, *([(*file, b"hello")] if file else []))
    expect(page.get_by_role("alert")).to_contain_text(message)
    expect(page.locator("h2")).to_have_text("red")
    expect(page.locator("#preview")).to_be_visible()
    assert "failed" not in (page.locator("#photo").get_attribute("class") or "")
