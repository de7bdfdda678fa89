"""A person's whole pass by the keyboard alone."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.cleaning_page import WRONG, ServedPage
from tests.trainer.cleaning.page.actions import judged, press, saved
from trainer.cleaning.session import Session

pytestmark = pytest.mark.browser


def current(page: Page) -> str:
    """The name of the file where the person is."""
    return page.locator("#grid .card.current").get_attribute("title").partition("\n")[0]  # type: ignore[union-attr]


def test_a_whole_pass_by_keyboard_alone(site: ServedPage, visit: Any) -> None:
    page = visit(site)
    expect(page.locator("#title")).to_have_text("Likely wrong labels")
    expect(page.locator("#grid")).to_be_focused()
    decided = mend_one_at_a_time(page, site.session)
    mend_several_and_reload(page, site.session, decided)
    go_on_until_it_pays_no_longer(page, site.session)
    decide_about_duplicates(page, site.session)
    finish(page, site.session)


def mend_one_at_a_time(page: Page, session: Session) -> dict[str, str]:
    """The proposal, one of the likeliest classes, a class that is found by its name, which is undone, a new one."""
    files = []
    place, file = page.locator("#place"), page.locator("#file")
    press(page, "Enter")
    expect(page.locator("#photo")).to_be_visible()
    for number, keys in enumerate(("p", "1", "lgree"), start=1):
        expect(place).to_have_text(f"{number} of 50")
        files.append(file.text_content() or "")
        press(page, *keys)
    press(page, "Enter")
    expect(place).to_have_text("4 of 50")
    press(page, "ArrowLeft")
    expect(page.locator("#labels")).to_have_text("green")
    press(page, "u")
    expect(page.locator("#said")).to_have_text("Undone: Relabel 1 image to green.")
    expect(page.locator("#status")).to_be_empty()
    press(page, "/", *"violet")
    expect(page.locator("#finder-list li").last).to_have_text("new class violet")
    press(page, "Enter")
    expect(place).to_have_text("4 of 50")
    saved(page)
    decided = dict(zip(files, (*(name.partition("-")[0] for name in files[:2]), "violet"), strict=True))
    assert judged(session) == decided
    return decided


def mend_several_and_reload(page: Page, session: Session, decided: dict[str, str]) -> None:
    """Two at once, each to its own proposal; all of that is undone, and done again."""
    press(page, "Escape")
    fourth = current(page)
    wrong = {f"{colour}-{number:02}.png": colour for colour, (_, numbers) in WRONG.items() for number in numbers}
    for again in (False, True):
        press(page, "Shift+ArrowRight")
        expect(page.locator("#chosen")).to_have_text("2 images selected")
        press(page, "p")
        expect(page.locator("#chosen")).to_be_empty()
        saved(page)
        assert judged(session) == wrong | {name: label for name, label in decided.items() if label == "violet"}
        if not again:
            press(page, "u")
            saved(page)
            assert judged(session) == decided
            assert current(page) == fourth
    page.reload()
    expect(page.locator("#grid .card.current")).to_be_visible()
    expect(page.locator("#progress")).to_have_text("5 of 50 looked at")


def go_on_until_it_pays_no_longer(page: Page, session: Session) -> None:
    press(page, "Home", *["ArrowRight"] * 5)
    assert current(page) == "stripes.png"
    press(page, "x", *"kkkkk")
    expect(page.locator("#notice-text")).to_contain_text("You may stop here. The last 5 were right")
    press(page, "ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Space")
    expect(page.locator("#chosen")).to_have_text("2 images selected")
    press(page, "Escape")
    expect(page.locator("#chosen")).to_be_empty()
    saved(page)
    assert judged(session)["stripes.png"] == "removed"


def decide_about_duplicates(page: Page, session: Session) -> None:
    """The copy that is proposed, another one; two pictures that are none, undone and decided again."""
    title, decided = page.locator("#title"), page.locator(".group .decided")
    while (before := title.text_content() or "") != "Exact duplicates":
        press(page, "n")
        expect(title).not_to_have_text(before)
    expect(page.locator(".group")).to_have_count(2)
    press(page, "k", "ArrowRight", "k")
    expect(page.locator("#notice-text")).to_have_text("All 2 groups are looked at.")
    press(page, "n", "d")
    expect(title).to_have_text("Near duplicates")
    expect(decided).to_have_text("✓ decided")
    press(page, "u")
    expect(decided).to_be_empty()
    press(page, "d")
    expect(decided).to_have_text("✓ decided")
    saved(page)
    removed = {name for name, status in judged(session).items() if status == "removed"}
    assert removed == {"stripes.png", "blue-copy.png", "red-02.png"}


def finish(page: Page, session: Session) -> None:
    press(page, "f")
    expect(page.locator("#finish-title")).to_be_focused()
    expect(page.locator(".figures dd")).to_have_text(["5", "3", "5", "1"])
    expect(page.locator(".command code").first).to_contain_text("fieldguide fit")
    expect(page.locator(".command code").nth(1)).to_contain_text("fieldguide compare")
    expect(page.locator(".counts tbody tr", has_text="violet").locator("td")).to_have_text(["0", "1", "+1"])
    with session.subject.cleaned.open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 80 - 3
    press(page, "Escape")
    expect(page.locator("#groups")).to_be_focused()


def test_help_lists_the_keys_and_single_letters_can_be_turned_off(site: ServedPage, visit: Any) -> None:
    page = visit(site)
    press(page, "?")
    expect(page.locator("#help")).to_be_visible()
    expect(page.locator("#help tr")).to_have_count(19)
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
    expect(page.locator("#empty-text")).to_have_text(
        "No file name here contains “STRIPES”, or all that do are looked at."
    )
    page.go_back()
    expect(page.locator("#grid .card")).to_have_count(1)
    page.go_back()
    expect(page.locator("#title")).to_have_text("Likely wrong labels")
    assert judged(site.session) == {"stripes.png": "removed"}
