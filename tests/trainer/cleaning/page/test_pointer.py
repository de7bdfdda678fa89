"""Mouse and touch: selecting, drawing a rectangle, long presses, swipes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import CDPSession, Locator, expect

from tests.support.browser import PHONE
from tests.support.cleaning_page import ServedPage
from tests.trainer.cleaning.page.actions import go_to_queue, judged, saved

pytestmark = pytest.mark.browser

LONG_PRESS_MS = 600
STILL_MS = 150  # a finger that is lifted while it moves throws the page, and the next tap only stops that


def centre(locator: Locator) -> tuple[float, float]:
    box = locator.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})


def test_a_click_goes_there_and_shift_and_ctrl_select(site: ServedPage, visit: Any) -> None:
    page = visit(site)
    cards, chosen = page.locator("#grid .card"), page.locator("#chosen")
    cards.nth(1).click()
    expect(cards.nth(1)).to_have_class("card current")
    expect(chosen).to_be_empty()
    cards.nth(4).click(modifiers=["Shift"])
    expect(chosen).to_have_text("4 images selected")
    cards.nth(7).click(modifiers=["Control"])
    cards.nth(2).click(modifiers=["Control"])
    expect(chosen).to_have_text("4 images selected")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("#grid")).to_be_focused()  # so that Enter is for the image, not for the button again
    saved(page)
    assert list(judged(site.session).values()) == ["kept"] * 4
    expect(page.locator("#undo")).to_have_attribute("title", "Undo: Keep 4 images")
    page.locator("#undo").click()
    saved(page)
    assert judged(site.session) == {}
    page.get_by_role("button", name="Select all").click()
    expect(chosen).to_have_text("50 images selected")
    page.get_by_role("button", name="Clear").click()
    expect(chosen).to_be_empty()
    cards.nth(3).dblclick()
    expect(page.locator("#place")).to_have_text("4 of 50")
    page.go_back()
    expect(page.locator("#grid")).to_be_focused()


def test_a_rectangle_selects_what_it_touches(site: ServedPage, visit: Any) -> None:
    page = visit(site)
    cards = page.locator("#grid .card")
    columns = page.evaluate("""() => {
        const top = (card) => card.getBoundingClientRect().top;
        const cards = [...document.querySelectorAll("#grid .card")];
        return cards.filter((card) => top(card) === top(cards[0])).length;
    }""")
    (left, top), (right, bottom) = centre(cards.nth(1)), centre(cards.nth(columns + 2))
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(right, bottom, steps=4)
    expect(page.locator(".rectangle")).to_be_visible()
    page.mouse.up()
    expect(page.locator(".rectangle")).to_have_count(0)
    expect(page.locator("#chosen")).to_have_text("4 images selected")
    for position in (1, 2, columns + 1, columns + 2):
        expect(page.locator(f"#card-{position}")).to_have_attribute("aria-selected", "true")
    # With Ctrl, another one is added.
    x, y = centre(cards.nth(4))
    page.keyboard.down("Control")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 10, y + 10, steps=2)
    page.mouse.up()
    page.keyboard.up("Control")
    expect(page.locator("#chosen")).to_have_text("5 images selected")
    page.get_by_role("button", name="Remove").click()
    saved(page)
    assert list(judged(site.session).values()) == ["removed"] * 5


def test_the_classes_below_the_grid_and_those_beside_a_photo_are_buttons(site: ServedPage, visit: Any) -> None:
    page = visit(site, expected_errors="404")
    page.locator("#quick button").first.click()
    expect(page.locator("#card-1")).to_have_class("card current")
    page.locator("#card-1").dblclick()
    page.locator("#classes button").first.click()
    expect(page.locator("#place")).to_have_text("3 of 50")
    page.locator("#neighbours button").first.click()
    expect(page.locator("#place")).to_have_text("A similar image")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#place")).to_have_text("A similar image")
    expect(page.locator("#status")).to_have_text("removed")
    page.locator("#back").click()
    expect(page.locator("#place")).to_have_text("3 of 50")
    page.get_by_label("Show where the model looks").check()
    expect(page.locator("#heatmap-image")).to_be_visible()
    page.locator("#classes button").nth(1).hover()
    label = page.locator("#classes .name").nth(1).text_content()
    expect(page.locator("#heatmap-caption")).to_contain_text(f"“{label}”")
    assert page.locator("#heatmap-image").bounding_box() == page.locator("#photo").bounding_box()
    page.keyboard.press("l")
    page.keyboard.type("violet")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.locator("#classes button").nth(3).hover()
    expect(page.locator("#heatmap-caption")).to_have_text("There is no heatmap for “violet”.")
    expect(page.locator("#heatmap-image")).to_be_hidden()


def test_a_photo_is_enlarged_where_it_is_clicked(site: ServedPage, visit: Any) -> None:
    page = visit(site)
    page.locator("#card-0").dblclick()
    frame, photo = page.locator("#photo-frame"), page.locator("#photo")
    expect(photo).to_be_visible()
    before, around = photo.bounding_box(), frame.bounding_box()
    assert before is not None
    assert around is not None
    frame.click(position={"x": around["width"] * 0.75, "y": around["height"] * 0.5})
    large = photo.bounding_box()
    assert large is not None
    assert large["width"] == pytest.approx(2.5 * before["width"], abs=2)
    assert large["x"] + 0.75 * large["width"] == pytest.approx(around["x"] + around["width"] / 2, abs=3)
    page.keyboard.press("ArrowLeft")
    moved = photo.bounding_box()
    assert moved is not None
    assert moved["x"] > large["x"]
    expect(page.locator("#place")).to_have_text("1 of 50")
    page.keyboard.press("z")
    assert photo.bounding_box() == before
    page.keyboard.press("z")
    page.keyboard.press("k")  # the next photo is shown as a whole
    expect(page.locator("#place")).to_have_text("2 of 50")
    expect(frame).to_have_class("photo-frame")


def test_duplicates_with_the_mouse(site: ServedPage, visit: Any) -> None:
    page = visit(site)
    go_to_queue(page, "Exact duplicates")
    group = page.locator(".group").first
    expect(group.get_by_text("Not duplicates")).to_be_hidden()  # the same bytes show the same
    group.locator(".card").nth(1).click()
    expect(group.locator(".card").nth(1).locator(".stays-mark")).to_have_text("stays")
    group.locator("button[data-command=keep]").click()
    expect(group.locator(".decided")).to_have_text("✓ decided")
    saved(page)
    assert judged(site.session) == {"blue-02.png": "removed"}
    go_to_queue(page, "All images")
    page.get_by_label("Search by file name").fill("red-copy")
    expect(page.locator("#progress")).to_have_text("1 image")
    page.keyboard.press("Enter")
    page.keyboard.press("x")
    expect(page.locator("#said")).to_have_text("Removed 1 image. 1 exact copy changed with that.")
    go_to_queue(page, "Exact duplicates")
    page.get_by_role("button", name="Undo").click()
    expect(group.locator(".decided")).to_have_count(1)
    page.get_by_role("button", name="Select all").click()
    expect(page.locator("#chosen")).to_have_text("2 groups selected")
    page.locator("#act-keep-text").click()
    expect(page.locator("#said")).to_have_text("Kept one copy of 2 groups.")
    saved(page)
    assert len(judged(site.session)) == 2
    group.locator(".card").first.dblclick()
    expect(page.locator("#file")).to_have_text("blue-02.png")
    page.locator("#back").click()
    expect(page.locator("#groups")).to_be_focused()


def test_touch(site: ServedPage, visit: Any) -> None:
    page = visit(site, window=PHONE)
    finger = page.context.new_cdp_session(page)
    cards = page.locator("#grid .card")
    for position in (0, 1):
        point = centre(cards.nth(position))
        if position:
            cards.nth(position).tap()
        else:
            touch(finger, "touchStart", point)
            page.wait_for_timeout(LONG_PRESS_MS)
            touch(finger, "touchEnd")
        expect(page.locator("#chosen")).to_have_text(f"{position + 1} image{'s' * position} selected")
    page.get_by_role("button", name="Accept").tap()
    expect(page.locator("#chosen")).to_be_empty()
    saved(page)
    assert len(judged(site.session)) == 2
    cards.nth(2).tap()
    expect(page.locator("#place")).to_have_text("3 of 50")
    x, y = centre(page.locator("#stage"))
    for direction, place in ((-1, "4 of 50"), (1, "3 of 50")):
        touch(finger, "touchStart", (x, y))
        touch(finger, "touchMove", (x + direction * 120, y))
        page.wait_for_timeout(STILL_MS)
        touch(finger, "touchMove", (x + direction * 121, y))
        touch(finger, "touchEnd")
        expect(page.locator("#place")).to_have_text(place)
    page.locator("#queues-toggle").tap()
    page.locator(".queue", has_text="Off-topic").tap()
    expect(page.locator("#queues-now")).to_have_text("Off-topic")
    expect(page.locator("#queues")).to_be_hidden()
