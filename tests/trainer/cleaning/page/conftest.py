from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.browser import DESKTOP, Visit
from tests.support.cleaning_page import (
    ServedPage,
    served,
    write_photos,
    write_run,
    write_tagged_photos,
    write_tagged_run,
)


@pytest.fixture(scope="session")
def cleaning_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the photos of `write_photos`. Do not change it."""
    home = tmp_path_factory.mktemp("cleaning")
    return write_run(home, write_photos(home / "data"))


@pytest.fixture(scope="session")
def tagged_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with several labels an image. Do not change it."""
    home = tmp_path_factory.mktemp("tagged")
    return write_tagged_run(home, write_tagged_photos(home / "data"))


@pytest.fixture
def run(cleaning_run: Path, tmp_path: Path) -> Path:
    """A copy of the run; its images have not moved."""
    return Path(shutil.copytree(cleaning_run, tmp_path / "run"))


@pytest.fixture
def site(run: Path) -> Iterator[ServedPage]:
    """The page of the run."""
    with served(run) as page:
        yield page


@pytest.fixture
def tagged_site(tagged_run: Path, tmp_path: Path) -> Iterator[ServedPage]:
    """The page of a copy of the run with several labels an image."""
    with served(Path(shutil.copytree(tagged_run, tmp_path / "tagged"))) as page:
        yield page


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages; fails at the end if there were errors in the console, or requests to other places.

    Name it after the fixture of the server, so that the pages are closed first.
    """
    visits: list[Visit] = []

    def open_page(
        site: ServedPage,
        place: str = "",
        *,
        window: dict[str, Any] = DESKTOP,
        context: BrowserContext | None = None,
        expected_errors: str = "",
    ) -> Page:
        if context is None:
            context = stack.enter_context(browser.new_context(**window))
            context.request.get(site.opening)
        visited = Visit(context, f"{site.url}", expected_errors=expected_errors, path=f"/{place}")
        visits.append(visited)
        expect(visited.page.locator("#opening")).to_be_hidden()
        return visited.page

    with ExitStack() as stack:
        yield open_page
    assert [complaint for visited in visits for complaint in visited.complaints] == []
