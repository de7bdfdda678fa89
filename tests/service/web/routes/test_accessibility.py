"""The page by axe-core's rules, in every state that a person sees; and the form that asks for an API key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.browser import DESKTOP, PHONE, upload
from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.server import RunningServer

pytestmark = pytest.mark.browser

KEY = "a-key-of-the-variable"


@pytest.fixture(scope="module")
def guarded(bundle_path: Path) -> Iterator[RunningServer]:
    with RunningServer(bundle_path, environ={"FIELDGUIDE_API_KEYS": KEY}) as running:
        yield running


@pytest.fixture(scope="module")
def unsure(plain_path: Path) -> Iterator[RunningServer]:
    with RunningServer(plain_path) as running:
        yield running


@pytest.fixture(scope="module")
def ambiguous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service that excludes none of 40 classes."""
    classes = [f"class {number}" for number in range(40)]
    path = tmp_path_factory.mktemp("ambiguous") / "b"
    with RunningServer(write_tiny_bundle(path, classes=classes, label_set={"quantile": 1})) as running:
        yield running


@pytest.fixture(scope="module")
def multilabel(multilabel_path: Path) -> Iterator[RunningServer]:
    with RunningServer(multilabel_path) as running:
        yield running


def introduced(page: Page) -> None:
    expect(page.locator(".known")).to_be_visible()


def answered(page: Page) -> None:
    upload(page, make_image("green", size=(400, 300)))
    expect(page.locator("h2")).to_be_visible()


def with_heatmap(page: Page) -> None:
    answered(page)
    page.get_by_role("switch").check()
    expect(page.locator("#overlay")).to_be_visible()


def unknown(page: Page) -> None:
    upload(page, make_image("white", shade=1))
    expect(page.locator("h2")).to_have_text("This does not look like anything that I know.")


def one_of_many(page: Page) -> None:
    upload(page, make_image("red"))
    page.locator(".choices summary").click()
    expect(page.locator(".choices li")).to_have_count(40)


def labelled(page: Page) -> None:
    upload(page, make_image("yellow"))
    expect(page.locator(".chips li")).to_have_count(2)


def refused(page: Page) -> None:
    upload(page, b"hello", name="notes.txt")
    expect(page.get_by_role("alert").filter(has_text="not an image")).to_be_visible()


def asked_for_a_key(page: Page) -> None:
    page.get_by_label("API key").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-note")).to_have_text("This key is not the right one.")


# (the server's fixture, how the page comes into the state, what the browser's console complains of)
STATES: dict[str, tuple[str, Callable[[Page], None], str]] = {
    "introduction": ("server", introduced, ""),
    "answer": ("server", answered, ""),
    "heatmap": ("server", with_heatmap, ""),
    "unsure": ("unsure", answered, ""),
    "unknown": ("doubtful", unknown, ""),
    "one of many": ("ambiguous", one_of_many, ""),
    "labels": ("multilabel", labelled, ""),
    "error": ("server", refused, "415"),
    "key": ("guarded", asked_for_a_key, "401"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(
    visit: Any, request: pytest.FixtureRequest, window: dict[str, Any], scheme: str, state: str
) -> None:
    fixture, reach, complaint = STATES[state]
    motionless = {**window, "color_scheme": scheme, "reduced_motion": "reduce"}
    page = visit(request.getfixturevalue(fixture), window=motionless, expected_errors=complaint)
    reach(page)
    found = Axe().run(page).response["violations"]
    assert [(violation["id"], violation["impact"], violation["nodes"][0]["html"]) for violation in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_key_is_asked_for_and_kept_for_the_tab(visit: Any, guarded: RunningServer) -> None:
    page = visit(guarded, expected_errors="401")
    field = page.get_by_label("API key")
    expect(field).to_be_focused()
    page.keyboard.type("not-the-right-key")
    page.keyboard.press("Enter")
    expect(page.locator("#key-note")).to_have_text("This key is not the right one.")
    expect(field).to_be_focused()
    page.keyboard.type(KEY)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#model")).to_contain_text("colours")
    expect(page.locator("#key")).to_be_hidden()
    upload(page, make_image("red"))
    expect(page.locator("h2")).to_have_text("red")
    page.reload()
    introduced(page)
    assert KEY not in page.url
    assert page.evaluate("localStorage.length") == 0


def test_a_key_that_no_header_can_carry_is_a_wrong_key(visit: Any, guarded: RunningServer) -> None:
    page = visit(guarded, expected_errors="401")
    for key in ("ключ от сервиса", "two words", "🔑🔑🔑🔑🔑🔑🔑🔑"):
        page.get_by_label("API key").fill(key)
        page.keyboard.press("Enter")
        expect(page.locator("#key-note")).to_have_text("This key is not the right one.")
        expect(page.locator("#key")).to_be_visible()
        expect(page.locator("#error")).to_be_empty()
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    introduced(page)


def test_a_photo_waits_for_the_key(visit: Any, guarded: RunningServer) -> None:
    page = visit(guarded, expected_errors="401")
    expect(page.locator("#key")).to_be_visible()
    upload(page, make_image("blue"))
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Use it").click()
    expect(page.locator("h2")).to_have_text("blue")


def test_a_key_that_is_removed_is_asked_for_again(visit: Any, guarded: RunningServer) -> None:
    page = visit(guarded, expected_errors="401")
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    introduced(page)
    page.evaluate("sessionStorage.clear()")
    upload(page, make_image("green"))
    expect(page.locator("#key")).to_be_visible()
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.locator("h2")).to_have_text("green")
