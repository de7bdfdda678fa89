"""Several photos at once, on every kind of screen and on paper."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.browser import DESKTOP, PHONE, give
from tests.support.bundles import make_image
from tests.support.server import RunningServer

pytestmark = pytest.mark.browser

SIDEWAYS = {"viewport": {"width": 844, "height": 390}, "is_mobile": True, "has_touch": True}
ZOOMED = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}  # 1280 x 800 at 200 %
ZOOMED_MORE = {
    "viewport": {"width": 320, "height": 256},
    "device_scale_factor": 4,
}  # 1280 x 1024 at 400 %, as WCAG asks
PHOTOS = {
    "=SUM(A1).png": make_image("red", size=(400, 300)),
    'a "green", one.png': make_image("green", size=(300, 400)),
    "notes.png": b"hello",
    "blue.png": make_image("blue"),
}


def choose(page: Page, photos: dict[str, bytes]) -> None:
    files = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in photos.items()]
    page.set_input_files("#pick", files)  # type: ignore[arg-type]


def choose_all(page: Page) -> None:
    choose(page, PHOTOS)
    expect(page.locator("#strip-count")).to_have_text("3 of 4 classified")
    expect(page.locator("#progress")).to_be_hidden()


def test_each_photo_has_its_answer(visit: Any, server: RunningServer) -> None:
    page = visit(server, expected_errors="415")
    choose_all(page)
    assert page.locator(".thumb-label").all_text_contents() == ["red", "green", "No answer", "blue"]
    assert [text[-1:] for text in page.locator(".thumb-probability").all_text_contents()] == ["%", "%", "", "%"]
    expect(page.locator("h2")).to_have_text("red")
    thumbs = page.locator(".thumb")
    thumbs.nth(1).click()
    expect(page.locator("h2")).to_have_text("green")
    expect(thumbs.nth(1)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("switch").check()
    expect(page.locator("#caption")).to_contain_text("green")
    thumbs.nth(2).click()
    expect(page.get_by_role("alert")).to_contain_text("not an image")
    expect(page.locator(".bars")).to_have_count(0)
    thumbs.nth(3).press("Enter")
    expect(page.locator("h2")).to_have_text("blue")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator("#status")).to_have_text("3 of 4 photos are classified.")


def test_all_answers_as_csv(visit: Any, server: RunningServer) -> None:
    page = visit(server, expected_errors="415")
    choose_all(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all as CSV").click()
    assert download.value.suggested_filename == "answers.csv"
    text = download.value.path().read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    # A text that a spreadsheet would run is marked as text.
    assert [row["file"] for row in rows] == ["'=SUM(A1).png", 'a "green", one.png', "notes.png", "blue.png"]
    assert [row["label"] for row in rows] == ["red", "green", "", "blue"]
    assert re.fullmatch(r"0\.9\d{3}", rows[1]["probability"])
    assert "not an image" in rows[2]["error"]


def test_one_photo_has_no_strip_and_takes_the_place_of_several(visit: Any, server: RunningServer) -> None:
    page = visit(server, expected_errors="415")
    choose_all(page)
    choose(page, {"blue.png": PHOTOS["blue.png"]})
    expect(page.locator("h2")).to_have_text("blue")
    expect(page.locator("#several")).to_be_hidden()


def test_too_many_photos_and_other_files_among_them(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    many = [(f"{number}.png", "image/png", PHOTOS["blue.png"]) for number in range(101)]
    give(page, "drop", ("readme.txt", "text/plain", b"hello"), *many)
    expect(page.locator(".thumb")).to_have_count(100)
    expect(page.locator("#strip-note")).to_contain_text("Only the first 100 of 101 photos")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#progress")).to_be_hidden()


def test_what_failed_is_tried_again_and_the_rest_stays(visit: Any, server: RunningServer) -> None:
    page = visit(server, expected_errors="503")
    asked = 0

    def fail_second(route: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"detail": "Busy.", "request_id": "a"})
        else:
            route.continue_()

    page.route("**/v1/predict?*", fail_second)
    choose(page, {name: data for name, data in PHOTOS.items() if data != b"hello"})
    expect(page.locator("#strip-count")).to_have_text("2 of 3 classified")
    page.locator(".thumb").nth(1).click()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#strip-count")).to_have_text("3 of 3 classified")
    expect(page.locator("h2")).to_have_text("green")
    assert asked == 4


@pytest.mark.parametrize(
    ("window", "scheme"),
    [
        (DESKTOP, "light"),
        (DESKTOP, "dark"),
        (PHONE, "dark"),
        (SIDEWAYS, "light"),
        (ZOOMED, "light"),
        (ZOOMED_MORE, "light"),
    ],
    ids=["desktop-light", "desktop-dark", "phone-dark", "sideways", "zoomed-200", "zoomed-400"],
)
def test_axe_finds_nothing_and_the_answer_is_in_view(
    visit: Any, server: RunningServer, window: dict[str, Any], scheme: str
) -> None:
    motionless = {**window, "color_scheme": scheme, "reduced_motion": "reduce"}
    page = visit(server, window=motionless, expected_errors="415")
    choose_all(page)
    expect(page.locator(".bars li").first).to_be_in_viewport()
    expect(page.locator("h2")).to_be_in_viewport()
    found = Axe().run(page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("window", [SIDEWAYS, ZOOMED], ids=["sideways", "200"])
def test_the_photo_and_its_answer_are_in_view_together(
    visit: Any, server: RunningServer, window: dict[str, Any]
) -> None:
    page = visit(server, window=window)
    choose(page, {"green.png": make_image("green", size=(300, 400))})
    expect(page.locator("h2")).to_be_in_viewport()
    expect(page.locator(".bars li").first).to_be_in_viewport()
    expect(page.locator("#preview")).to_be_in_viewport(ratio=1)


def test_on_paper_there_are_bars_and_no_buttons(visit: Any, server: RunningServer) -> None:
    page = visit(server, expected_errors="415")
    choose_all(page)
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("h2")).to_be_visible()
    fill = page.locator(".fill").first
    expect(fill).to_have_css("print-color-adjust", "exact")
    assert fill.evaluate("(fill) => getComputedStyle(fill).backgroundColor") == "rgb(47, 107, 79)"  # of the light page
    for hidden in ("#again", "#retry", "#about", ".hint", "#csv"):
        expect(page.locator(hidden)).to_be_hidden()
