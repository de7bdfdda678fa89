"""What the tests of the page do again and again."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from trainer.cleaning.session import STATUSES, Session


def card(page: Page, name: str) -> Locator:
    """The card of an image in the grid, by the name of its file."""
    return page.locator(f'#grid .card[aria-label$="; {name}"]')


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def go_to_queue(page: Page, title: str) -> None:
    page.locator(".queue", has_text=title).first.click()
    expect(page.locator("#title")).to_have_text(title)


def saved(page: Page) -> None:
    expect(page.locator("#saving")).to_have_text("Saved")


def judged(session: Session) -> dict[str, str]:
    """What the server knows: name of each judged image -> its labels, or how it was judged."""
    found = {}
    with session.reading():
        for number, row in enumerate(session.subject.rows):
            status = STATUSES[session.status[number]]
            if status != "none":
                found[row.path] = ";".join(sorted(session.labels(number))) if status == "relabelled" else status
    return found
