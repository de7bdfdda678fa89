"""The table and the confusion matrix of many classes in a real browser, with and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import DESKTOP, PHONE
from tests.support.many_classes import write_run_of
from tests.support.trainer import trainer

pytestmark = pytest.mark.browser

NAME = "</script><b onclick=alert(1)>species & co</b>"  # is shown as text, and ends no script


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of 40 classes in 8 families."""
    run = write_run_of(tmp_path_factory.mktemp("many"), 40, coarse=True, name=NAME)
    assert trainer("report", run).exit_code == 0
    return (run / "report.html").as_uri()


def open_page(browser: Browser, address: str, **window: Any) -> Page:
    page = browser.new_context(**{**DESKTOP, "reduced_motion": "reduce", **window}).new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(address)
    assert messages == []
    return page


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The report in a large window."""
    opened = open_page(browser, address, viewport={"width": 1280, "height": 1400})
    yield opened
    opened.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_is_accessible_and_fits_the_window(
    browser: Browser, address: str, window: dict[str, Any], scheme: str
) -> None:
    page = open_page(browser, address, **window, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    page.get_by_role("button", name="Larger").click()
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    table = page.locator("table.classes").bounding_box()
    assert table is not None
    assert table["x"] + table["width"] <= window["viewport"]["width"]
    page.context.close()


def test_the_table_is_sorted_by_a_column(page: Page) -> None:
    table = page.locator("table.classes")
    names = table.locator("tbody th")
    column = table.locator("tbody td:nth-child(4)")
    by_f1 = names.all_inner_texts()
    table.get_by_role("button", name="Predicted").click()
    expect(table.locator("thead th").nth(3)).to_have_attribute("aria-sort", "descending")
    counts = [int(text) for text in column.all_inner_texts()]
    assert counts == sorted(counts, reverse=True)
    table.get_by_role("button", name="Predicted").click()
    assert [int(text) for text in column.all_inner_texts()] == sorted(counts)
    table.get_by_role("button", name="Class").press("Enter")
    expect(table.locator("thead th").first).to_have_attribute("aria-sort", "ascending")
    assert names.all_inner_texts() == [f"{NAME} {number}" for number in range(40)]
    assert sorted(by_f1) == sorted(names.all_inner_texts())


def test_what_has_no_value_is_always_last(page: Page) -> None:
    table = page.locator("table.classes")
    page.evaluate("document.querySelectorAll('.classes td:nth-child(5)')[3].textContent = '–'")
    for _ in range(2):
        table.get_by_role("button", name="Precision").click()
        expect(table.locator("tbody td:nth-child(5)").last).to_have_text("–")


def test_the_cell_under_the_pointer_is_read_out(page: Page) -> None:
    data = page.evaluate("JSON.parse(document.querySelector('.confusion script').textContent)")
    row = next(number for number, cells in enumerate(data["cells"]) if len(cells) >= 4)
    column, count = next(
        (column, count)
        for column, count in zip(data["cells"][row][::2], data["cells"][row][1::2], strict=True)
        if column != row
    )
    page.locator(".viewport").scroll_into_view_if_needed()
    box = page.locator(".cells").bounding_box()
    assert box is not None
    size = box["width"] / 40
    page.mouse.move(box["x"] + (column + 0.5) * size, box["y"] + (row + 0.5) * size)
    names, groups = data["names"], data["groups"]
    expect(page.get_by_role("status")).to_have_text(
        f"{names[row]} ({groups[row]}) taken for {names[column]} ({groups[column]}): {count} of 5, {20 * count} %"
    )
    assert page.locator(".names-left .at").inner_text() == names[row]
    assert page.locator(".names-top .at").inner_text() == names[column]


def test_the_matrix_works_with_the_keyboard_alone(page: Page) -> None:
    viewport = page.get_by_role("group", name="Confusion matrix of 40 classes")
    viewport.focus()
    page.keyboard.press("ArrowDown")
    names = page.evaluate("JSON.parse(document.querySelector('.confusion script').textContent).names")
    expect(page.get_by_role("status")).to_contain_text(f"{names[0]} (")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
    expect(page.get_by_role("status")).to_contain_text(f"{names[20]} (")
    before = page.locator(".cells").bounding_box()
    page.keyboard.press("+")
    page.keyboard.press("+")
    after = page.locator(".cells").bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > 1.5 * before["width"]
    shown = viewport.bounding_box()
    at = page.locator(".band-row").bounding_box()
    assert shown is not None
    assert at is not None
    assert shown["y"] <= at["y"] < shown["y"] + shown["height"]
    for _ in range(6):
        page.keyboard.press("-")
    again = page.locator(".cells").bounding_box()
    assert again is not None
    assert again["width"] == pytest.approx(before["width"], abs=1)


def test_without_scripts_the_page_shows_the_same(browser: Browser, address: str) -> None:
    page = open_page(browser, address, java_script_enabled=False)
    expect(page.locator(".tools")).to_be_hidden()
    image = page.locator(".confusion img")
    assert image.count() == 1
    expect(image).to_be_visible()
    assert page.locator("table.classes tbody tr").count() == 40
    expect(page.locator("table.classes thead button")).to_have_count(0)
    page.context.close()


def test_no_other_script_can_run(page: Page, tmp_path: Path) -> None:
    text = page.content().replace("<main>", "<main><script>document.title = 'taken'</script>")
    (tmp_path / "changed.html").write_text(text)
    page.goto((tmp_path / "changed.html").as_uri())
    assert page.title() != "taken"
