"""How a browser gets the address: in a private file, from which it must reach the page."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.cleaning import write_untrained_run
from tests.support.cleaning_page import served
from trainer.cleaning.web.opening import RedirectFile


@pytest.mark.browser
def test_a_real_browser_reaches_the_page_from_the_file(browser: Browser, photos: Path, tmp_path: Path) -> None:
    """It sends no SameSite=Strict cookie with a redirect that began at a file."""
    with served(write_untrained_run(photos, tmp_path / "run", features=False)) as site:
        redirect = RedirectFile(site.opening)
        context = browser.new_context()
        page = context.new_page()
        refused = []
        page.on("response", lambda response: refused.append(response.url) if response.status >= 400 else None)
        page.goto(redirect.path.as_uri())
        page.wait_for_url(f"{site.url}/**")
        page.wait_for_url(lambda url: "/open" not in url)
        expect(page.get_by_text("All images").first).to_be_visible()
        assert refused == []
        (cookie,) = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        context.close()
        redirect.remove()
        redirect.remove()  # it may be gone
    assert not redirect.path.parent.exists()


def test_the_file_is_private_and_holds_the_address_as_text() -> None:
    redirect = RedirectFile('http://127.0.0.1/open?token="><script>&')
    try:
        assert stat.S_IMODE(redirect.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(redirect.path.parent.stat().st_mode) == 0o700
        text = redirect.path.read_text()
        assert "<script>" not in text
        assert "token=&quot;&gt;&lt;script&gt;&amp;" in text
    finally:
        redirect.remove()
