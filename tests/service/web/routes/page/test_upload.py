"""How the page uploads a photo: smaller if it is long, with progress, and with a way out."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.support.browser import upload, uploaded, watch_uploads
from tests.support.bundles import make_image
from tests.support.server import RunningServer

pytestmark = pytest.mark.browser

SLOW_BYTES_PER_S = 60_000


def large_photo(*, encoding: str, orientation: int = 1, alpha: bool = False) -> bytes:
    """A photo of over 1 MB, 1200 x 900 as it is stored: green noise, its left half dark or, with alpha, transparent."""
    pixels = np.zeros((900, 1200, 4), dtype=np.uint8)
    pixels[..., 1] = np.random.default_rng(0).integers(100, 255, (900, 1200), dtype=np.uint8)
    pixels[..., 0] = pixels[..., 2] = pixels[..., 1] // 8
    pixels[..., 3] = 255
    pixels[:, :600, 3 if alpha else 1] = 0
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    options = {"quality": 100, "subsampling": 0} if encoding == "JPEG" else {"compress_level": 0}
    Image.fromarray(pixels).convert("RGBA" if alpha else "RGB").save(file, encoding, exif=exif, **options)
    assert file.tell() > 1_000_000
    return file.getvalue()


@pytest.fixture(scope="module")
def patient(bundle_path: Path) -> Iterator[RunningServer]:
    """A service that waits for a slow upload."""
    with RunningServer(bundle_path) as running:
        yield running


def test_a_long_photo_is_sent_smaller_and_upright(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    watch_uploads(page)
    for orientation in range(1, 9):
        image = Image.open(io.BytesIO(uploaded(page, large_photo(encoding="JPEG", orientation=orientation))))
        upright = (1200, 900) if orientation < 5 else (900, 1200)
        assert image.size == tuple(math.ceil(side / 8) for side in upright)  # 113: at least twice the 36 of the model
        assert (image.format, dict(image.getexif())) == ("JPEG", {})
        facts = page.locator("#result .facts").first
        expect(facts).to_contain_text(f"{upright[0]:,} × {upright[1]:,} pixels, sent as {image.width} × {image.height}")
        # The dark half is where the orientation puts the left half of what is stored.
        green = np.asarray(image)[..., 1].astype(int)
        left, right = green[:, : image.width // 2].mean(), green[:, image.width // 2 :].mean()
        top, bottom = green[: image.height // 2].mean(), green[image.height // 2 :].mean()
        differences = {"left": right - left, "right": left - right, "top": bottom - top, "bottom": top - bottom}
        dark = max(differences, key=lambda side: differences[side])
        assert dark == {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}[
            orientation
        ]  # fmt: skip


def test_transparent_pixels_become_white_as_in_the_service(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    watch_uploads(page)
    image = Image.open(io.BytesIO(uploaded(page, large_photo(encoding="PNG", alpha=True))))
    assert np.asarray(image)[:, :40].min() > 250


def test_a_short_photo_is_sent_as_it_is(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    watch_uploads(page)
    photo = make_image("red", size=(400, 300))
    assert uploaded(page, photo) == photo
    expect(page.locator("#result .facts").first).to_contain_text("PNG · 400 × 300 pixels")


def test_a_long_file_that_the_browser_cannot_decode_is_sent_as_it_is(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    upload(page, bytes(1_500_000))
    expect(page.get_by_role("alert")).to_have_text("This file is 1.5 MB; the limit is 0.2 MB. Choose a smaller photo.")


# (how the model sees a photo, its size, how often it is halved) for a model of 256 pixels.
HALVINGS = [
    ("crop", [4000, 3000], 2),  # to 750: at least twice 256
    ("squish", [3000, 4000], 2),
    ("pad", [4000, 3000], 2),
    ("pad", [4200, 300], 3),  # by the long side
    ("crop", [4200, 300], 0),
    ("crop", [2048, 2048], 2),
    ("crop", [2047, 2047], 1),
    ("crop", [40, 1], 0),
]


def test_the_size_follows_how_the_model_sees_a_photo(visit: Any, server: RunningServer) -> None:
    found = visit(server).evaluate(
        """async (cases) => {
            const { halvings } = await import("./page/shrink.js");
            return cases.map(([mode, [width, height]]) =>
                halvings({ width, height }, { mode, size: 256, resize_short: 256 }));
        }""",
        HALVINGS,
    )
    assert found == [times for _, _, times in HALVINGS]


def slow_down(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW_BYTES_PER_S},
    )


def test_progress_then_looking_then_the_answer(visit: Any, patient: RunningServer) -> None:
    page = visit(patient)
    expect(page.locator(".known")).to_be_visible()
    slow_down(page)
    # Every text in turn, since some are there for a moment only.
    page.evaluate("""() => {
        window.steps = [];
        const text = document.getElementById("progress-text");
        new MutationObserver(() => steps.push(text.textContent)).observe(text, { childList: true });
    }""")
    upload(page, make_image("blue", size=(240, 200), encoding="BMP"))
    expect(page.locator("h2")).to_have_text("blue")
    steps = page.evaluate("steps")
    percents = [int(step.split()[1].rstrip("%").strip()) for step in steps if step.startswith("Uploading")]
    assert steps[0] == "Preparing"
    assert percents == sorted(percents)
    assert any(0 < percent < 100 for percent in percents)
    assert steps[-1] == "Looking"
    expect(page.locator("#progress")).to_be_hidden()


def test_cancel_stops_the_upload_and_it_can_be_tried_again(visit: Any, patient: RunningServer) -> None:
    page = visit(patient)
    expect(page.locator(".known")).to_be_visible()
    slow_down(page)
    page.emulate_media(reduced_motion="reduce")  # axe looks at colours while they change
    with page.expect_event("requestfailed", lambda request: request.method == "POST"):
        upload(page, make_image("blue", size=(240, 200), encoding="BMP"))
        expect(page.locator("#progress-text")).to_contain_text("Uploading")
        assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []
        page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_have_text("Cancelled.")
    expect(page.locator("#pick")).to_be_focused()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("h2")).to_have_text("blue")
    expect(page.get_by_role("alert")).to_be_empty()


# (status, its headers, the body, what is said, whether the same photo can be tried again)
FAILURES = [
    (408, {}, '{"detail": "Too slow."}', "Too slow. Try again, with a faster connection if there is one.", True),
    (429, {"Retry-After": "3"}, '{"detail": "All busy."}', "All busy. Try again in 3 seconds.", True),
    (503, {"Retry-After": "1"}, '{"detail": "Loading.", "request_id": "a1"}', "in 1 second. Request id: a1", True),
    (500, {}, '{"detail": "Failed.", "request_id": "a1"}', "Failed. Try again in a moment. Request id: a1", True),
    (422, {}, '{"detail": "It is damaged."}', "It is damaged. Choose another photo.", False),
    # Of a proxy on the way.
    (413, {}, "<h1>Too large</h1>", "The server responded with status 413. Choose a smaller photo.", False),
    (502, {}, "<h1>Bad Gateway</h1>", "The server responded with status 502. Try again in a moment.", True),
]


def test_a_failure_says_what_to_do(visit: Any, server: RunningServer) -> None:
    page = visit(server, expected_errors="the server responded with a status of")
    again = page.get_by_role("button", name="Try again")
    for status, headers, body, text, can_retry in FAILURES:
        page.route("**/v1/predict?*", fulfilled(status, headers, body))
        upload(page, make_image("red"))
        expect(page.get_by_role("alert")).to_contain_text(text)
        expect(again).to_have_count(int(can_retry))
        page.unroute("**/v1/predict?*")
        if can_retry:
            again.click()
            expect(page.locator("h2")).to_have_text("red")


def fulfilled(status: int, headers: dict[str, str], body: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(status=status, headers=headers, body=body)
