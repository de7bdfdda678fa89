"""The report opened from the disk in a real browser: nothing leaves the page, nothing fails, everyone can read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.browser import DESKTOP, PHONE
from tests.trainer.insight.report.conftest import NAMES

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(browser: Browser, dressed: Path) -> Iterator[Callable[..., Page]]:
    """Opens the report; at the end nothing but the file was asked for, and the console has not said a word."""
    address = (dressed / "report.html").as_uri()
    contexts: list[BrowserContext] = []
    asked: list[str] = []
    complaints: list[str] = []

    def open_page(**window: Any) -> Page:
        contexts.append(browser.new_context(**{**DESKTOP, **window}))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert {url for url in asked if not url.startswith("data:")} == {address}
    assert complaints == []


def violations(page: Page) -> list[tuple[str, str, str]]:
    found = Axe().run(page).response["violations"]
    return [(violation["id"], violation["impact"], violation["nodes"][0]["html"]) for violation in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_and_the_page_fits(opened: Callable[..., Page], window: dict[str, Any], scheme: str) -> None:
    page = opened(**window, color_scheme=scheme, reduced_motion="reduce")
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_names_are_only_text(opened: Callable[..., Page]) -> None:
    page = opened()
    assert page.title() == "<i>Colours</i> & more – training report"
    expect(page.locator("h1")).to_have_text("<i>Colours</i> & more")
    shown = page.locator(".matrix tbody th").all_inner_texts()
    assert shown == [" ".join(NAMES[colour].split()) for colour in ("green", "blue", "red")]
    assert page.evaluate(
        "[document.scripts.length, document.querySelectorAll('main img:not([src^=\"data:\"])').length]"
    ) == [
        0,
        0,
    ]


def test_every_picture_is_there_and_lies_where_it_should(opened: Callable[..., Page]) -> None:
    page = opened()
    sizes = page.locator("img").evaluate_all("(images) => images.map((image) => image.naturalWidth)")
    assert sizes
    assert min(sizes) > 0
    photo = page.locator(".photo").first
    picture, layer = (photo.locator("img").nth(number).bounding_box() for number in (0, 1))
    assert picture == layer


def test_charts_show_their_lines(opened: Callable[..., Page]) -> None:
    page = opened()
    charts = ["Loss", "Accuracy", "Learning rate", "Momentum", "Learning rate sweep of the head"]
    expect(page.locator(".chart h3")).to_have_text([*charts, "Learning rate sweep of the whole network"])
    for number in range(6):
        chart = page.locator(".chart").nth(number)
        plot, line = chart.locator(".plot > svg").bounding_box(), chart.locator("polyline").last.bounding_box()
        assert plot is not None
        assert line is not None
        assert line["width"] > 0.6 * plot["width"]
        assert line["height"] > 0.1 * plot["height"]
        assert plot["x"] - 2 <= line["x"]
        assert line["x"] + line["width"] <= plot["x"] + plot["width"] + 2
    dot = page.locator(".chart").first.locator("g").last
    assert "validation images, epoch 3: " in (dot.locator("title").text_content() or "")


def test_keyboard_only(opened: Callable[..., Page]) -> None:
    page = opened(reduced_motion="reduce")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#diagnosis"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#mistakes")).to_be_in_viewport()
    heat = page.locator(".heat").first
    expect(heat).to_have_css("opacity", "1")
    page.get_by_role("checkbox").focus()
    page.keyboard.press("Space")
    expect(heat).to_have_css("opacity", "0")
    summary = page.get_by_text("The numbers of each epoch").first
    numbers = page.get_by_role("region", name="The numbers of each epoch")
    expect(numbers).to_be_hidden()
    summary.focus()
    page.keyboard.press("Enter")
    expect(numbers).to_be_visible()
    expect(numbers.locator("tbody tr")).to_have_count(3)


def test_on_paper_the_page_is_light(opened: Callable[..., Page]) -> None:
    page = opened(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    expect(page.locator("nav")).to_be_hidden()
    assert violations(page) == []
    assert page.pdf().startswith(b"%PDF")
