"""What cannot be saved is said, kept and sent again; what two pages do is not lost."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.cleaning_page import ServedPage, served
from tests.support.full_disk import no_file_over
from tests.support.runs import ONE_THREAD
from tests.trainer.cleaning.page.actions import card, judged, press, saved
from trainer.cleaning.edits import read_edits

pytestmark = pytest.mark.browser

START_S = 60.0


@pytest.fixture
def port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def killed(run: Path, port: int) -> Iterator[str]:
    """`fieldguide clean RUN` in a process of its own, which is killed at the end. Gives the address that it prints."""
    command = [sys.executable, "-m", "fieldguide", "clean", str(run), "--no-browser", "--port", str(port)]
    with (run / "clean.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=ONE_THREAD)
    try:
        deadline = time.monotonic() + START_S
        while not (found := re.search(r"open (http://\S+)", (run / "clean.log").read_text())):
            assert process.poll() is None, (run / "clean.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield found[1]
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def open_again(page: Page) -> None:
    """Look at the page after another one: it asks whether something has changed."""
    page.evaluate("window.dispatchEvent(new Event('focus'))")


def test_on_a_full_disk_nothing_is_claimed_to_be_saved(site: ServedPage, visit: Any) -> None:
    page = visit(site, expected_errors="503")
    first = card(page, "red-07.png")
    press(page, "k")
    saved(page)
    press(page, "Home", "u")
    saved(page)
    with no_file_over(site.session.subject.edits.stat().st_size + 10):
        press(page, "x")
        expect(page.locator("#failure-text")).to_contain_text("1 action is not saved. Nothing was saved:")
        expect(page.locator("#saving")).to_have_text("Not saved")
        expect(first).to_have_attribute("data-status", "none")
        press(page, "ArrowRight", "k")
        expect(page.locator("#failure-text")).to_contain_text("2 actions are not saved.")
        page.get_by_role("button", name="Retry").click()
        expect(page.locator("#failure-text")).to_contain_text("2 actions are not saved.")
    assert judged(site.session) == {}
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#failure")).to_be_hidden()
    saved(page)
    expect(first).to_have_attribute("data-status", "removed")
    assert sorted(judged(site.session).values()) == ["kept", "removed"]


def test_what_is_not_saved_can_be_dropped(site: ServedPage, visit: Any) -> None:
    page = visit(site, expected_errors="503")
    with no_file_over(10):
        press(page, "x", "x")
        expect(page.locator("#failure-text")).to_contain_text("2 actions are not saved.")
        press(page, "u")
        expect(page.locator("#failure-text")).to_contain_text("1 action is not saved.")
        page.get_by_role("button", name="Discard").click()
        expect(page.locator("#failure")).to_be_hidden()
        expect(page.locator("#grid")).to_be_focused()
    saved(page)
    press(page, "k")
    saved(page)
    assert list(judged(site.session).values()) == ["kept"]


def test_the_browser_asks_before_what_is_not_saved_is_lost(site: ServedPage, visit: Any) -> None:
    page = visit(site, expected_errors="503")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    press(page, "k")
    saved(page)
    page.reload()
    expect(page.locator("#progress")).to_have_text("1 of 50 looked at")
    assert asked == []
    with no_file_over(10):
        press(page, "k")
        expect(page.locator("#failure")).to_be_visible()
        page.reload()
    assert asked == ["beforeunload"]


def test_a_killed_server_and_a_new_one_on_the_same_file(run: Path, port: int, visit: Any) -> None:
    with killed(run, port) as address:
        site = ServedPage(url=f"http://127.0.0.1:{port}", opening=address, session=None)  # type: ignore[arg-type]
        page = visit(site, "#queue=wrong", expected_errors="ERR_CONNECTION")
        expect(page.locator("#title")).to_have_text("Likely wrong labels")
        expect(page.locator("#card-5")).to_be_visible(timeout=30_000)  # suspects are worked out in the background
        press(page, "p")
        saved(page)
        press(page, "p")
        saved(page)
    assert len(read_edits(run / "edits.jsonl")) == 2
    press(page, "p")
    expect(page.locator("#failure-text")).to_contain_text("The server does not answer.")
    with served(run, port=port) as again:
        assert len(judged(again.session)) == 2
        page.context.request.get(again.opening)
        page.get_by_role("button", name="Retry").click()
        saved(page)
        assert len(judged(again.session)) == 3
        page.reload()
        expect(page.locator("#progress")).to_have_text("3 of 50 looked at")
        page.close()


def test_two_pages_do_not_lose_what_the_other_did(site: ServedPage, visit: Any) -> None:
    page = visit(site)
    other = visit(site, context=page.context)
    press(page, "p")
    saved(page)
    open_again(other)
    expect(other.locator("#card-0")).to_have_attribute("data-status", "relabelled")
    press(other, "ArrowRight", "ArrowRight", "x")
    saved(other)
    # This page changes something before it has asked: it still learns of what the other one did.
    press(page, "k")
    saved(page)
    expect(page.locator("#card-2")).to_have_attribute("data-status", "removed")
    assert sorted(judged(site.session).values()) == ["kept", "red", "removed"]
    press(other, "u")  # takes back what was done here last, as far as this page knows
    saved(other)
    open_again(page)
    expect(page.locator("#card-2")).to_have_attribute("data-status", "none")
    assert sorted(judged(site.session).values()) == ["kept", "red"]


def test_a_page_of_another_run_decides_nothing(tagged_run: Path, port: int, run: Path, visit: Any) -> None:
    with served(run, port=port) as before:
        page = visit(before, expected_errors="Failed to load resource")
        expect(page.locator("#card-0")).to_be_visible()
    with served(tagged_run, port=port) as other:
        page.context.request.get(other.opening)
        press(page, "x")
        expect(page.locator("#failure-text")).to_contain_text("This page shows other images than the server has")
        assert judged(other.session) == {}
        page.close()


def test_a_browser_without_the_cookie_shows_what_to_do(site: ServedPage, visit: Any) -> None:
    page = visit(site, expected_errors="403")
    page.context.clear_cookies()
    press(page, "k")
    expect(page.locator("#failure-text")).to_contain_text("Open the address that it printed last")
    assert judged(site.session) == {}


def test_a_name_that_cannot_be_a_label_is_refused(tagged_site: ServedPage, visit: Any) -> None:
    page = visit(tagged_site, expected_errors="400")
    press(page, "l")
    page.keyboard.type("a;b")
    press(page, "Enter", "Escape")
    expect(page.locator("#failure-text")).to_contain_text("Nothing was changed. The label 'a;b' has ';' in it")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#failure")).to_be_hidden()
    saved(page)
    assert judged(tagged_site.session) == {}
