"""The page in a real browser. A test fails on any error in the console, and on any foreign request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import DESKTOP, PHONE, give, upload
from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.server import RunningServer

pytestmark = pytest.mark.browser

LONG_NAME = "white-headed capuchin monkey, also known as the Panamanian capuchin " + "x" * 80


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_upload_gives_bars(visit: Any, server: RunningServer, window: dict[str, Any]) -> None:
    page = visit(server, window=window)
    expect(page.locator("#model")).to_have_text("colours, version 1 · 3 classes")
    expect(page.locator(".known li")).to_have_text(["red", "green", "blue"])
    upload(page, make_image("green", size=(400, 300)))
    expect(page.locator("h2")).to_have_text("green")
    bars = page.locator(".bars li")
    expect(bars).to_have_count(3)
    expect(bars.first.locator(".name")).to_have_text("green")
    expect(bars.first.locator(".percent")).to_have_text("94.4%")
    page.wait_for_timeout(600)  # the bars grow
    widths = [box["width"] for box in (track.bounding_box() for track in page.locator(".fill").all()) if box]
    assert widths[0] > 20 * max(widths[1:])
    expect(page.locator("#status")).to_have_text("green, 94.4%.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_heatmap_is_where_the_colour_is(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    # Stored on its side: upright it is 60 x 80, dark at the top, bright below.
    upload(page, make_image("red", size=(80, 60), encoding="JPEG", orientation=6, shade=0))
    expect(page.locator("h2")).to_have_text("red")
    expect(page.locator("#overlay")).to_be_hidden()
    page.get_by_role("switch").check()
    expect(page.locator("#overlay")).to_be_visible()
    expect(page.locator("#caption")).to_contain_text("red")
    photo, overlay = page.locator("#preview").bounding_box(), page.locator("#overlay").bounding_box()
    assert photo == overlay
    assert photo["height"] > photo["width"]
    opacity = page.evaluate(
        """() => {
            const { width, height } = document.getElementById("overlay");
            const { data } = document.getElementById("overlay").getContext("2d").getImageData(0, 0, width, height);
            const at = (y) => data[4 * (Math.round(y * height) * width + width / 2) + 3];
            return [at(0.25), at(0.75), width / height];
        }"""
    )
    assert opacity[0] < 20
    assert opacity[1] > 150
    assert opacity[2] == pytest.approx(60 / 80, abs=0.01)
    page.get_by_role("switch").uncheck()
    expect(page.locator("#overlay")).to_be_hidden()


def test_no_switch_without_heatmaps_and_not_sure(visit: Any, plain_path: Path) -> None:
    with RunningServer(plain_path) as server:
        page = visit(server)
        upload(page, make_image("green"))
        expect(page.locator("h2")).to_have_text("I am not sure.")
        expect(page.locator(".note")).to_have_text("The most probable classes:")
        expect(page.locator(".given")).to_have_count(0)
        expect(page.get_by_role("switch")).to_have_count(0)
        expect(page.locator("#status")).to_contain_text("not sure")


def test_multilabel(visit: Any, multilabel_path: Path) -> None:
    with RunningServer(multilabel_path) as server:
        page = visit(server, window=PHONE)
        upload(page, make_image("yellow"))
        expect(page.locator(".chips li")).to_have_text(["red", "green"])
        expect(page.locator(".given")).to_have_count(2)
        expect(page.locator(".mark")).to_have_count(3)
        expect(page.locator("#status")).to_have_text("This photo shows red and green.")
        upload(page, make_image("black"))
        expect(page.locator("h2")).to_have_text("Nothing recognised")


def test_errors_are_sentences(visit: Any, server: RunningServer) -> None:
    page = visit(server, expected_errors="415")
    error = page.get_by_role("alert")
    upload(page, b"hello", name="notes.txt")
    expect(error).to_contain_text("This is not an image in an accepted format")
    expect(page.locator("#zone")).to_be_visible()
    upload(page, bytes(200_001))
    expect(error).to_have_text("This file is 0.2 MB; the limit is 0.2 MB. Choose a smaller photo.")
    upload(page, b"")
    expect(error).to_have_text("This file is empty. Choose another photo.")
    upload(page, make_image("blue"))
    expect(page.locator("h2")).to_have_text("blue")
    expect(error).to_have_text("")


def test_a_service_that_has_stopped(visit: Any, bundle_path: Path) -> None:
    with RunningServer(bundle_path) as server:
        page = visit(server, expected_errors="ERR_CONNECTION_REFUSED")
        expect(page.locator("#model")).to_contain_text("colours")
        server.stop()
        upload(page, make_image())
        expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
        expect(page.locator("#busy")).to_be_hidden()


def test_keyboard_only(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    # Listening makes the browser hand over its file choosers, but not at once: on a busy machine, after the key press.
    page.on("filechooser", lambda _chooser: None)
    expect(page.locator(".known")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "pick"
    outline = page.evaluate("getComputedStyle(document.querySelector('#zone .button')).outlineStyle")
    assert outline == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "a.png", "mimeType": "image/png", "buffer": make_image("red")})
    expect(page.locator("h2")).to_have_text("red")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "heatmap"
    page.keyboard.press("Space")
    expect(page.locator("#overlay")).to_be_visible()


def test_paste_and_drop(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    give(page, "paste", ("a.png", "image/png", make_image("blue")))
    expect(page.locator("h2")).to_have_text("blue")
    give(page, "dragenter")
    expect(page.locator("#drop")).to_be_visible()
    give(page, "drop", ("a.png", "image/png", make_image("red")))
    expect(page.locator("#drop")).to_be_hidden()
    expect(page.locator("h2")).to_have_text("red")
    give(page, "drop")
    expect(page.get_by_role("alert")).to_contain_text("not a file")


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_many_classes_with_long_names(visit: Any, tmp_path: Path, window: dict[str, Any]) -> None:
    classes = [LONG_NAME, *(f"class {number}" for number in range(999))]
    with RunningServer(write_tiny_bundle(tmp_path / "b", classes=classes)) as server:
        page = visit(server, window=window)
        expect(page.locator(".more")).to_have_text("and 988 more")
        upload(page, make_image("red"))
        expect(page.locator("h2")).to_be_visible()
        expect(page.locator(".bars li")).to_have_count(5)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_camera_is_offered_on_phones_only(visit: Any, server: RunningServer) -> None:
    assert visit(server, window=PHONE).get_by_text("Take a photo").is_visible()
    assert not visit(server).get_by_text("Take a photo").is_visible()


def test_a_photo_that_the_browser_cannot_show_is_shown_as_the_model_sees_it(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    # Stands in for a format that the service reads and the browser does not.
    page.evaluate("""() => {
        const decode = HTMLImageElement.prototype.decode;
        let failed = false;
        HTMLImageElement.prototype.decode = function () {
            if (failed) return decode.call(this);
            failed = true;
            return Promise.reject(new DOMException("", "EncodingError"));
        };
    }""")
    upload(page, make_image("green", size=(80, 60)))
    expect(page.locator("h2")).to_have_text("green")
    assert page.evaluate("[preview.naturalWidth, preview.naturalHeight]") == [32, 32]


class OtherSite(BaseHTTPRequestHandler):
    """A site whose only page shows another one in a frame."""

    framed = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f'<!doctype html><iframe src="{self.framed}" width="900" height="700"></iframe>'.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def other_site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherSite) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("allowed", [True, False])
def test_only_a_site_that_is_allowed_to_shows_the_page_in_a_frame(
    browser: Browser, bundle_path: Path, other_site: str, allowed: bool
) -> None:
    flags = ["--frame-ancestors", f"https://example.org,{other_site}"] if allowed else []
    with RunningServer(bundle_path, *flags) as server, browser.new_context(**DESKTOP) as context:
        OtherSite.framed = f"{server.url}/"
        page = context.new_page()
        page.goto(other_site)
        if not allowed:
            assert page.frames[1].url.startswith("chrome-error:")
            return
        frame = page.frame_locator("iframe")
        frame.locator("#pick").set_input_files(
            {"name": "photo.png", "mimeType": "image/png", "buffer": make_image("green")}
        )
        expect(frame.locator("h2")).to_have_text("green")
