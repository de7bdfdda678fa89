"""A person's whole pass by the keyboard alone."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.cleaning_page import WRONG, ServedPage
from tests.trainer.cleaning.page.actions import judged, press, saved

pytestmark = pytest.mark.browser


def current(page: Page) -> str:
    """The name of the file where the person is."""
    return page.locator("#grid .card.current").get_attribute("title").partition("\n")[0]  # type: ignore[union-attr]


def test_a_whole_pass_by_keyboard_alone(site: ServedPage, visit: Any) -> None:
    page = visit(site)
    expect(page.locator("#title")).to_have_text("Likely wrong labels")
    expect(page.locator("#grid")).to_be_focused()

    # One at a time: the proposal, one of the likeliest classes, a class that is found by its name, a new one.
    press(page, "Enter")
    expect(page.locator("#place")).to_have_text("1 of 50")
    expect(page.locator("#photo")).to_be_visible()
    first = page.locator("#file").text_content()
    press(page, "p")
    expect(page.locator("#place")).to_have_text("2 of 50")
    second = page.locator("#file").text_content()
    right = second.partition("-")[0]
    press(page, "1")
    expect(page.locator("#place")).to_have_text("3 of 50")
    third = page.locator("#file").text_content()
    press(page, "l")
    expect(page.locator("#finder-text")).to_be_focused()
    page.keyboard.type("gree")
    press(page, "Enter")
    expect(page.locator("#place")).to_have_text("4 of 50")
    press(page, "ArrowLeft")
    expect(page.locator("#labels")).to_have_text("green")
    press(page, "u")
    expect(page.locator("#said")).to_have_text("Undone: Relabel 1 image to green.")
    expect(page.locator("#status")).to_be_empty()
    press(page, "/")
    page.keyboard.type("violet")
    expect(page.locator("#finder-list li").last).to_have_text("new class violet")
    press(page, "Enter")
    expect(page.locator("#place")).to_have_text("4 of 50")
    saved(page)
    colours = {first: first.partition("-")[0], second: right, third: "violet"}
    assert judged(site.session) == colours

    # Many at once, and all of that taken back; a reload in the middle.
    press(page, "Escape")
    fourth = current(page)
    press(page, "Shift+ArrowRight")
    expect(page.locator("#chosen")).to_have_text("2 images selected")
    press(page, "p")
    expect(page.locator("#chosen")).to_be_empty()
    saved(page)
    mended = {
        f"{colour}-{number:02}.png": colour for colour, (_wrong, numbers) in WRONG.items() for number in numbers
    }
    expected = mended | {third: "violet"}
    assert judged(site.session) == expected
    press(page, "u")
    saved(page)
    assert judged(site.session) == colours
    assert current(page) == fourth
    press(page, "Shift+ArrowRight", "p")
    saved(page)
    page.reload()
    expect(page.locator("#grid .card.current")).to_be_visible()
    expect(page.locator("#progress")).to_have_text("5 of 50 looked at")
    assert judged(site.session) == expected

    # The sixth shows nothing that is wanted; the next five are right: then it pays no longer.
    press(page, "Home", *["ArrowRight"] * 5)
    assert current(page) == "stripes.png"
    press(page, "x", *"kkkkk")
    expect(page.locator("#notice-text")).to_contain_text("You may stop here. The last 5 were right")
    press(page, "ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Space")
    expect(page.locator("#chosen")).to_have_text("2 images selected")
    press(page, "Escape")
    saved(page)
    assert judged(site.session)["stripes.png"] == "removed"

    # Duplicates: another copy is kept than the one that is proposed; two pictures are none.
    while page.locator("#title").text_content() != "Exact duplicates":
        before = page.locator("#title").text_content()
        press(page, "n")
        expect(page.locator("#title")).not_to_have_text(before)
    expect(page.locator(".group")).to_have_count(2)
    press(page, "k", "ArrowRight", "k")
    expect(page.locator("#notice-text")).to_have_text("All 2 groups are looked at.")
    press(page, "n")
    expect(page.locator("#title")).to_have_text("Near duplicates")
    press(page, "d")
    expect(page.locator(".group .decided")).to_have_text("✓ decided")
    saved(page)
    assert {name for name, status in judged(site.session).items() if status == "removed"} == {
        "stripes.png",
        "blue-copy.png",
        "red-02.png",
    }
    press(page, "u")
    expect(page.locator(".group .decided")).to_be_empty()
    press(page, "d")
    expect(page.locator(".group .decided")).to_have_text("✓ decided")

    # The end.
    press(page, "f")
    expect(page.locator("#finish-title")).to_be_focused()
    expect(page.locator(".figures dd")).to_have_text(["5", "3", "5", "1"])
    expect(page.locator(".command code").first).to_contain_text("fieldguide fit")
    expect(page.locator(".command code").nth(1)).to_contain_text("fieldguide compare")
    expect(page.locator(".counts tbody tr", has_text="violet").locator("td")).to_have_text(["0", "1", "+1"])
    with site.session.subject.cleaned.open(encoding="utf-8", newline="") as file:
        cleaned = list(csv.DictReader(file))
    assert len(cleaned) == 80 - 3
    press(page, "Escape")
    expect(page.locator("#groups")).to_be_focused()


def test_help_lists_the_keys_and_single_letters_can_be_turned_off(site: ServedPage, visit: Any) -> None:
    page = visit(site)
    press(page, "?")
    expect(page.locator("#help")).to_be_visible()
    expect(page.locator("#help tr")).to_have_count(18)
    page.get_by_label("Letters and digits are commands").uncheck()
    press(page, "Escape")
    expect(page.locator("#grid")).to_be_focused()
    press(page, "x", "1", "k")
    press(page, "Enter")
    expect(page.locator("#single-view")).to_be_visible()
    assert judged(site.session) == {}
    page.reload()
    press(page, "?")
    expect(page.get_by_label("Letters and digits are commands")).not_to_be_checked()


def test_one_class_and_a_search_by_file_name(site: ServedPage, visit: Any) -> None:
    page = visit(site)
    press(page, "c")
    page.keyboard.type("gr")
    press(page, "Enter")
    expect(page.locator("#title")).to_have_text("green")
    expect(page.locator("#progress")).to_have_text("25 images")
    press(page, "s")
    page.keyboard.type("STRIPES")
    expect(page.locator("#progress")).to_have_text("1 image")
    expect(page.locator("#search")).to_be_focused()
    press(page, "Enter", "x")
    expect(page.locator("#notice-text")).to_have_text("The only image is looked at.")
    saved(page)
    page.get_by_label("Hide judged").check()
    expect(page.locator("#empty-text")).to_have_text("No file name here contains “STRIPES”, or all that do are looked at.")
    page.go_back()
    expect(page.locator("#grid .card")).to_have_count(1)
    page.go_back()
    expect(page.locator("#title")).to_have_text("Likely wrong labels")
    assert judged(site.session) == {"stripes.png": "removed"}
