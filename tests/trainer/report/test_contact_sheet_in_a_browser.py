"""The contact sheet in a real browser, opened from the disk: no request, no error, accessible, within the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from service.pixels import PixelSpec
from tests.support.browser import DESKTOP, PHONE
from tests.support.photos import draw
from trainer.catalog import read_catalog
from trainer.recipe import FinetuneRecipe, Recipe
from trainer.report.contact_sheet import draw_contact_sheet
from trainer.report.contact_sheet_page import render_contact_sheet

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sheet")
    for label in ("cat", "a-class-with-a-very-long-name-" * 5 + "end"):
        (folder / "photos" / label).mkdir(parents=True)
        for number in range(8):
            draw("red", number, width=30 + 40 * number).save(folder / "photos" / label / f"{number}.png")
    recipe = Recipe(finetune=FinetuneRecipe(mixup=0.4))
    sheet = draw_contact_sheet(read_catalog(folder / "photos"), recipe, PixelSpec(size=32, resize_short=32), count=6)
    (folder / "sheet.html").write_text(render_contact_sheet(sheet), encoding="utf-8")
    return folder / "sheet.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_is_accessible_and_fits_the_window(
    browser: Browser, page_file: Path, window: dict[str, Any], scheme: str
) -> None:
    context = browser.new_context(**window, color_scheme=scheme)
    page, messages, requested = context.new_page(), [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("request", lambda request: requested.append(request.url))
    page.goto(page_file.as_uri())
    found = Axe().run(page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator(".pair img").count() == 2 * (6 + 3) + 6
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    context.close()
    assert {url for url in requested if not url.startswith("data:")} == {page_file.as_uri()}
    assert messages == []
