from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.browser import DESKTOP, Visit
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def default_client(bundle_path: Path) -> Iterator[httpx.Client]:
    """A client of a service with its default limits; checks at the end that the service has not failed."""
    with RunningServer(bundle_path) as running, httpx.Client(base_url=running.url, timeout=30) as session:
        yield session
        assert running.process.poll() is None
        assert "Traceback" not in running.log


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Any]:
    visits: list[Visit] = []
    contexts: list[BrowserContext] = []

    def open_page(server: RunningServer, *, window: dict[str, Any] = DESKTOP, **options: Any) -> Page:
        contexts.append(browser.new_context(**window))
        visits.append(Visit(contexts[-1], server.url, **options))
        return visits[-1].page

    yield open_page
    for context in contexts:
        context.close()
    assert [complaint for visited in visits for complaint in visited.complaints] == []
