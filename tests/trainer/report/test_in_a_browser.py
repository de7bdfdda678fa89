"""The report in a real browser, opened from the disk: no request, no error, accessible to everyone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.support.browser import DESKTOP, PHONE
from tests.trainer.report.conftest import NAMES

pytestmark = pytest.mark.browser

HALO_PIXELS = 4  # the boxes of two texts of marks have an edge of 2 pixels each

# Contrast (WCAG 2.2) of the text of a cell of the matrix with what is behind it, for each kind and eleven fractions.
CONTRASTS = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (colour) => {
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue] = [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)]
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const cell = document.querySelector(".matrix tbody td");
  return ["none", "correct", "wrong"].flatMap((kind) => Array.from({ length: 11 }, (_, tenths) => {
    cell.className = kind;
    cell.style.setProperty("--fraction", tenths / 10);
    const { color, backgroundColor } = getComputedStyle(cell);
    const [less, more] = [luminance(color), luminance(backgroundColor)].sort((one, other) => one - other);
    return (more + 0.05) / (less + 0.05);
  }));
}"""


@pytest.fixture
def opened(browser: Browser, with_findings: Path) -> Iterator[Callable[..., Page]]:
    """Opens the report; at the end only the file was requested, and the console is empty."""
    address = (with_findings / "report.html").as_uri()
    contexts: list[BrowserContext] = []
    requested: list[str] = []
    messages: list[str] = []

    def open_page(**window: Any) -> Page:
        contexts.append(browser.new_context(**{**DESKTOP, **window}))
        page = contexts[-1].new_page()
        page.on("request", lambda request: requested.append(request.url))
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("dialog", lambda dialog: messages.append(dialog.message))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert {url for url in requested if not url.startswith("data:")} == {address}
    assert messages == []


def violations(page: Page) -> list[tuple[str, str, str]]:
    found = Axe().run(page).response["violations"]
    return [(violation["id"], violation["impact"], violation["nodes"][0]["html"]) for violation in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_is_accessible_and_fits_the_window(
    opened: Callable[..., Page], window: dict[str, Any], scheme: str
) -> None:
    page = opened(**window, color_scheme=scheme, reduced_motion="reduce")
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_names_are_shown_as_text(opened: Callable[..., Page]) -> None:
    page = opened()
    assert page.title() == "<i>Colours</i> & more – training report"
    expect(page.locator("h1")).to_have_text("<i>Colours</i> & more")
    shown = page.locator(".matrix tbody th").all_inner_texts()
    assert shown == [" ".join(NAMES[colour].split()) for colour in ("green", "blue", "red")]
    assert page.evaluate(
        "[document.scripts.length, document.querySelectorAll('main img:not([src^=\"data:\"])').length]"
    ) == [
        1,
        0,
    ]


def test_every_image_loads_and_the_heatmap_covers_its_photo(opened: Callable[..., Page]) -> None:
    page = opened()
    sizes = page.locator("img").evaluate_all("(images) => images.map((image) => image.naturalWidth)")
    assert sizes
    assert min(sizes) > 0
    photo = page.locator(".photo").first
    image, heatmap = (photo.locator("img").nth(number).bounding_box() for number in (0, 1))
    assert image == heatmap


def test_charts_show_their_lines(opened: Callable[..., Page]) -> None:
    page = opened()
    charts = ["Loss", "Accuracy", "Learning rate", "Momentum", "Learning rate finder: head"]
    expect(page.locator(".chart h3")).to_have_text(
        [
            *(*charts, "Learning rate finder: fine-tuning"),
            *("Images of each class", "Reliability diagram", "Error by coverage"),
        ]
    )
    for number in range(6):  # the images of each class have a straight line
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


def test_bars_stand_on_the_axis_and_end_at_their_fraction(opened: Callable[..., Page]) -> None:
    page = opened()
    chart = page.locator(".chart.with-bars")
    page.get_by_text("All figures of the calibration").click()
    (plot,) = boxes(chart.locator(".plot > svg"))
    rows = page.get_by_role("region", name="The bars of the reliability diagram").locator("tbody tr")
    shown = [row.locator("th, td").all_inner_texts() for row in rows.all()]
    bars = boxes(chart.locator(".bin > .bar-top"))
    assert sum(int(count) for _, count, *_ in shown) == 20  # validation images
    assert chart.locator(".bin text.count").all_text_contents() == [count for _, count, *_ in shown]
    assert len(bars) == len(shown)
    for bar, (probabilities, _, _, right, _) in zip(bars, shown, strict=True):
        assert bar["height"] / plot["height"] == pytest.approx(float(right.split()[0]) / 100, abs=0.005)
        assert bar["y"] + bar["height"] == pytest.approx(plot["y"] + plot["height"], abs=0.5)
        low, high = (float(text) / 100 for text in probabilities.removesuffix("\N{NO-BREAK SPACE}%").split(" to "))
        assert low - 0.01 < (bar["x"] - plot["x"]) / plot["width"] < high + 0.01
    assert "if the probability is right" in (chart.locator(".bin title").first.text_content() or "")


def boxes(found: Locator) -> list[dict[str, float]]:
    return [box for box in (item.bounding_box() for item in found.all()) if box]


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_marks_and_their_texts_stay_in_the_chart_and_do_not_overlap(
    opened: Callable[..., Page], window: dict[str, Any]
) -> None:
    """A suggestion below the first learning rate of the sweep was a decade outside of the chart."""
    charts = opened(**window).locator(".chart").all()
    for chart, count in zip(charts, (1, 1, 0, 0, 4, 4, 0, 0, 0), strict=True):
        (frame,), (plot,) = boxes(chart), boxes(chart.locator(".plot > svg"))
        lines, texts = (
            boxes(chart.locator("line.mark")),
            boxes(chart.locator("text.mark, text.x, text.count, h3, .legend li")),
        )
        assert len(lines) == count
        for line in lines:
            assert plot["x"] - 2 <= line["x"] + line["width"] / 2 <= plot["x"] + plot["width"] + 2
        for text in texts:
            assert frame["x"] <= text["x"]
            assert text["x"] + text["width"] <= frame["x"] + frame["width"]
        for one, other in itertools.combinations(texts, 2):
            assert (
                one["x"] + one["width"] <= other["x"]
                or other["x"] + other["width"] <= one["x"]
                or one["y"] + one["height"] <= other["y"] + HALO_PIXELS
                or other["y"] + other["height"] <= one["y"] + HALO_PIXELS
            )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_shade_of_the_matrix_is_readable(opened: Callable[..., Page], scheme: str) -> None:
    """On a dark page the text of the strongest cells had a contrast of 2.5."""
    ratios = opened(color_scheme=scheme).evaluate(CONTRASTS)
    assert len(ratios) == 3 * 11
    assert min(ratios) >= 4.5, ratios


def test_the_page_works_with_the_keyboard_alone(opened: Callable[..., Page]) -> None:
    page = opened(reduced_motion="reduce")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#diagnosis"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#top-losses")).to_be_in_viewport()
    heatmap = page.locator(".heatmap").first
    expect(heatmap).to_have_css("opacity", "1")
    page.get_by_role("checkbox").focus()
    page.keyboard.press("Space")
    expect(heatmap).to_have_css("opacity", "0")
    summary = page.get_by_text("Metrics of each epoch").first
    table = page.get_by_role("region", name="Metrics of each epoch")
    expect(table).to_be_hidden()
    summary.focus()
    page.keyboard.press("Enter")
    expect(table).to_be_visible()
    expect(table.locator("tbody tr")).to_have_count(3)


def test_a_printed_page_is_light(opened: Callable[..., Page]) -> None:
    page = opened(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    expect(page.locator("nav")).to_be_hidden()
    assert violations(page) == []
    assert page.pdf().startswith(b"%PDF")
