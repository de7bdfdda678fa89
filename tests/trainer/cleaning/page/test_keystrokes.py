"""How many keys and clicks a person needs: the table in docs/cleaning.md, counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.cleaning_page import ServedPage
from tests.trainer.cleaning.page.actions import go_to_queue, judged, saved

pytestmark = pytest.mark.browser

DOCS = Path(__file__).resolve().parents[4] / "docs" / "cleaning.md"


class Hand:
    """Presses keys and clicks, and counts them for each task."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.counts: dict[str, int] = {}
        self._count = 0

    @contextmanager
    def doing(self, task: str) -> Iterator[None]:
        self._count = 0
        yield
        saved(self.page)
        self.counts[task] = self._count

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self._count += len(keys)

    def click(self, position: int, **options: Any) -> None:
        self.page.locator(f"#card-{position}").click(**options)
        self._count += 1


def documented() -> dict[str, int]:
    """Task -> what the table says of it."""
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \|", DOCS.read_text("utf-8"), flags=re.MULTILINE)
    return {task: int(count) for task, count in rows}


def test_the_table_says_how_many_keys_and_clicks_ten_tasks_need(site: ServedPage, visit: Any) -> None:
    page = visit(site)
    hand = Hand(page)
    with hand.doing("relabel an image to the class that is proposed"):
        hand.press("p")
    with hand.doing("relabel it to another likely class"):
        hand.press("2")
    with hand.doing("relabel it to one of 81 classes, by its first letters"):
        hand.press("l", *"gre", "Enter")
    with hand.doing("relabel it to a new class, `violet`"):
        hand.press("l", *"violet", "Enter")
    with hand.doing("say that an image is right, and go on to the next"):
        hand.press("k")
    assert len(judged(site.session)) == 5
    expect(page.locator("#card-5")).to_have_class("card current")

    go_to_queue(page, "All images")
    page.get_by_label("Search by file name").fill("green-")  # there are no copies among these
    expect(page.locator("#progress")).to_have_text("24 images")
    with hand.doing("remove twenty images that are side by side"):
        hand.click(0)
        hand.click(19, modifiers=["Shift"])
        hand.press("x")
    assert list(judged(site.session).values()).count("removed") == 20
    with hand.doing("undo that"):
        hand.press("u")
    assert list(judged(site.session).values()).count("removed") == 0
    go_to_queue(page, "Exact duplicates")
    with hand.doing("keep one of a group of copies, remove the others"):
        hand.press("k")
    assert list(judged(site.session).values()).count("removed") == 1
    go_to_queue(page, "Near duplicates")
    with hand.doing("say that two similar images are no duplicates"):
        hand.press("d")
    with hand.doing("write the result, and see how to train on it"):
        hand.press("f")
    expect(page.locator(".command code").first).to_contain_text("fieldguide fit")
    assert site.session.counts["not_duplicates"] == 1
    assert site.session.subject.cleaned.exists()
    assert hand.counts == documented()
