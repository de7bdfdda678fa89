"""What each view shows: by axe-core's rules, with unusual names, with several labels, with many images."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.browser import DESKTOP, PHONE
from tests.support.cleaning_page import NASTY, ServedPage
from tests.trainer.cleaning.page.actions import card, go_to_queue, judged, press, saved

pytestmark = pytest.mark.browser

ZOOMED = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}  # 1280 x 800 at 200 %
ZOOMED_MORE = {
    "viewport": {"width": 320, "height": 256},
    "device_scale_factor": 4,
}  # 1280 x 1024 at 400 %, as WCAG asks
NAMES = [
    "<img src=x onerror=alert(1)>",
    "צהוב \u202eder",
    "{{ 7 * 7 }} 🍋 " + "very long " * 30,
]


def grid(page: Page) -> None:
    press(page, "Shift+ArrowRight")
    expect(page.locator("#chosen")).to_have_text("2 images selected")


def finder(page: Page) -> None:
    press(page, "l")
    page.keyboard.type("viol")
    expect(page.locator("#finder-list")).to_be_visible()


def helping(page: Page) -> None:
    press(page, "?")
    expect(page.locator("#help")).to_be_visible()


def single(page: Page) -> None:
    press(page, "Enter")
    expect(page.locator("#neighbours button").first).to_be_visible()


def duplicates(page: Page) -> None:
    expect(page.locator(".group").first).to_be_visible()


def empty(page: Page) -> None:
    expect(page.locator("#empty-text")).to_be_visible()


def failure(page: Page) -> None:
    page.context.clear_cookies()
    press(page, "k")
    expect(page.locator("#failure")).to_be_visible()


def finished(page: Page) -> None:
    expect(page.locator(".command").first).to_be_visible()


# name -> (where it is, how it comes into the state)
VIEWS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "grid": ("", grid),
    "finder": ("", finder),
    "help": ("", helping),
    "single": ("", single),
    "duplicates": ("#queue=near-duplicates", duplicates),
    "empty": ("#queue=everything&search=nowhere", empty),
    "finish": ("#view=finish", finished),
    "failure": ("", failure),
}


@pytest.mark.parametrize(
    ("window", "scheme", "views"),
    [
        (DESKTOP, "light", list(VIEWS)),
        (PHONE, "dark", ["grid", "single", "duplicates", "finish", "failure"]),
        (ZOOMED, "dark", ["grid"]),
        (ZOOMED_MORE, "light", ["grid", "single", "duplicates", "finish"]),
    ],
    ids=["desktop-light", "phone-dark", "zoomed-200", "zoomed-400"],
)
def test_axe_finds_nothing_in_any_view(
    site: ServedPage, visit: Any, window: dict[str, Any], scheme: str, views: list[str]
) -> None:
    page = visit(site, window={**window, "color_scheme": scheme, "reduced_motion": "reduce"}, expected_errors="403")
    for name in views:
        place, reach = VIEWS[name]
        page.goto("about:blank")
        page.goto(f"{site.url}/{place}")
        expect(page.locator("#opening")).to_be_hidden()
        reach(page)
        found = Axe().run(page).response["violations"]
        assert (name, [(violation["id"], violation["nodes"][0]["html"]) for violation in found]) == (name, [])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_names_are_only_ever_text(site: ServedPage, visit: Any) -> None:
    page = visit(site, "#queue=everything")
    for file, label in zip(NASTY, NAMES, strict=True):
        page.get_by_label("Search by file name").fill(file[:12])
        expect(page.locator("#progress")).to_have_text("1 image")
        press(page, "Enter", "Enter")
        expect(page.locator("#file")).to_have_text(file)
        press(page, "l")
        page.keyboard.insert_text(label)
        expect(page.locator("#finder-list li").last.locator("bdi")).to_have_text(label.strip())
        press(page, "Enter")
        saved(page)
        expect(card(page, file).locator(".label")).to_have_text(label.strip())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    press(page, "f")
    expect(page.locator(".counts tbody th", has_text=NAMES[0])).to_be_visible()
    press(page, "c")
    for label in NAMES:
        expect(page.locator("#finder-list li", has_text=label.strip())).to_be_visible()
    assert page.locator("img[src='x']").count() == 0
    assert judged(site.session) == {file: label.strip() for file, label in zip(NASTY, NAMES, strict=True)}


def test_several_labels_are_toggles(tagged_site: ServedPage, visit: Any) -> None:
    page = visit(tagged_site)
    expect(page.locator("#title")).to_have_text("Likely missing labels")
    expect(page.locator("#card-0 .proposal")).to_have_text("+ red")
    press(page, "p")
    saved(page)
    assert judged(tagged_site.session) == {"07.png": "green;red"}
    press(page, "n")
    expect(page.locator("#title")).to_have_text("Likely surplus labels")
    expect(page.locator("#card-0 .proposal")).to_have_text("− blue")
    press(page, "Enter")
    expect(page.locator("#labels button")).to_have_count(3)
    page.get_by_role("button", name="Take red away").press("Enter")
    expect(page.locator("#labels button")).to_have_count(2)
    expect(page.locator("#single")).to_be_focused()  # the button is gone
    expect(page.locator("#place")).to_have_text("1 of 48")  # other labels may have to go, too
    press(page, "l")
    page.keyboard.type("red")
    press(page, "Enter")
    expect(page.locator("#finder-list li .tick").first).to_have_text("✓")
    page.keyboard.type("blu")
    press(page, "Enter")
    expect(page.locator("#finder-list li .tick").first).to_be_empty()
    press(page, "Escape", "ArrowRight")
    expect(page.locator("#place")).to_have_text("2 of 48")
    saved(page)
    assert judged(tagged_site.session) == {"07.png": "green;red", "19.png": "green;red"}
    press(page, "ArrowLeft")
    page.locator("#classes button[aria-pressed=true]").first.click()
    expect(page.locator("#labels button")).to_have_count(1)
    press(page, "u")
    expect(page.locator("#labels button")).to_have_count(2)


def test_only_what_is_in_view_is_in_the_document(site: ServedPage, visit: Any) -> None:
    page = visit(site, "#queue=everything", window={"viewport": {"width": 1000, "height": 500}})
    expect(page.locator("#progress")).to_have_text("0 of 80 looked at")
    page.get_by_label("Size of the thumbnails").fill("4")
    expect(page.locator("#card-0 img")).to_be_visible()
    assert page.locator("#grid .card").count() < 20
    press(page, "s", "Enter", "End")
    expect(page.locator("#card-79 img")).to_be_in_viewport()
    expect(page.locator("#card-0")).to_have_count(0)
    assert page.locator("#grid .card").count() < 20
    page.reload()
    expect(page.locator("#card-79")).to_have_class("card current")
    assert page.get_by_label("Size of the thumbnails").input_value() == "4"


def test_an_image_that_has_changed_is_said_so(site: ServedPage, visit: Any) -> None:
    changed = site.session.subject.root / "red-07.png"
    before = changed.read_bytes()
    changed.write_bytes(before + b"more")
    try:
        page = visit(site, expected_errors="409")
        expect(page.locator("#card-0 .picture")).to_have_class("picture missing")
        press(page, "Enter")
        expect(page.locator("#photo-missing")).to_contain_text("red-07.png")
        press(page, "ArrowRight")
        expect(page.locator("#photo-missing")).to_be_hidden()
    finally:
        changed.write_bytes(before)


def test_hide_judged_and_the_end_of_all_queues(site: ServedPage, visit: Any) -> None:
    page = visit(site, "#queue=top-losses")
    press(page, "k", "k")
    page.get_by_label("Hide judged").check()
    expect(page.locator("#progress")).to_have_text("16 images")
    press(page, "k")
    expect(page.locator("#card-0")).to_have_attribute("data-status", "kept")  # it stays until the queue is opened again
    expect(page.locator("#card-1")).to_have_class("card current")
    press(page, "Control+a", "x")
    expect(page.locator("#notice-text")).to_have_text("All 16 images are looked at.")
    go_to_queue(page, "Top losses")
    expect(page.locator("#empty-text")).to_have_text("Everything here is looked at.")
    page.get_by_label("Hide judged").uncheck()
    expect(page.locator("#progress")).to_have_text("18 of 18 looked at")
    page.locator("#notice-next").click()
    expect(page.locator("#title")).to_have_text("Least sure")


def test_the_last_page_says_what_is_odd_and_what_to_collect(site: ServedPage, visit: Any) -> None:
    page = visit(site)

    def add(route: Any) -> None:
        summary = route.fetch().json()
        route.fulfill(
            json=summary | {"collect": [{"label": "<b>red</b>", "sentence": "20 more would help.", "images": 20}]}
        )

    def add_unapplied(route: Any) -> None:
        written = route.fetch().json()
        unapplied = [{"path": f"{number}.png", "reason": "no image has these bytes any more"} for number in range(25)]
        route.fulfill(json=written | {"unapplied": unapplied, "warnings": ["No training image has the label 'red'."]})

    page.route("**/api/summary", add)
    page.route("**/api/finish", add_unapplied)
    press(page, "f")
    expect(page.get_by_text("<b>red</b> 20 more would help.")).to_be_visible()
    expect(page.get_by_text("25 edits no longer apply")).to_be_visible()
    expect(page.get_by_text("and 5 more")).to_be_visible()
    expect(page.locator("#finish-content .error")).to_have_text("No training image has the label 'red'.")
    expect(page.get_by_text("No class has another number of images than before.")).to_be_visible()
    page.get_by_role("button", name="Copy the command fieldguide fit").click()
    expect(page.locator(".command button").first).to_have_text(re.compile("Copied|Press Ctrl C"))


def test_the_copy_with_the_label_that_is_proposed_for_the_other_one_is_marked(site: ServedPage, visit: Any) -> None:
    page = visit(site)

    def disagree(route: Any) -> None:
        answer = route.fetch().json()
        first, second = answer["items"][0]["members"]
        first.update(labels=["red"], proposal="blue", probability=0.9)
        second.update(labels=["blue"])
        route.fulfill(json=answer)

    page.route("**/api/queue?name=exact-duplicates*", disagree)
    go_to_queue(page, "Exact duplicates")
    marks = page.locator(".group").first.locator(".stays-mark")
    expect(marks).to_have_text(["", "stays"])
    press(page, "ArrowLeft")
    expect(marks).to_have_text(["stays", ""])
