"""/docs: every route of the OpenAPI document can be tried in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import DESKTOP, PHONE
from tests.support.bundles import make_image
from tests.support.problems import assert_problem
from tests.support.routes import API
from tests.support.server import RunningServer

pytestmark = pytest.mark.browser

KEY = "a-key-of-the-variable"
BODIES = {
    "predict": ["multipart/form-data", "application/octet-stream"],
    "analyze": ["multipart/form-data", "application/octet-stream"],
    "hugging_face": ["application/json", "application/octet-stream"],
    "v2_model_infer": ["application/json"],
}


@pytest.fixture(scope="module")
def guarded(bundle_path: Path) -> Iterator[RunningServer]:
    with RunningServer(bundle_path, environ={"FIELDGUIDE_API_KEYS": KEY}) as running:
        yield running


def open_docs(page: Page, name: str = "") -> Locator:
    page.goto(re.sub(r"/[^/]*$", "/docs", page.url) + (f"#{name}" if name else ""))
    expect(page.locator(".operation")).to_have_count(len(API))
    return page.locator(f"#{name}") if name else page.locator(".operation")


def choose_photo(operation: Locator) -> None:
    operation.get_by_label("photo").set_input_files(
        {"name": "photo.png", "mimeType": "image/png", "buffer": make_image("green")}
    )


def test_a_404_names_it(client: httpx.Client) -> None:
    for path in ("/doc", "/docs/", "/swagger", "/redoc", "/v1"):
        assert "/docs" in assert_problem(client.get(path), 404)


def test_a_photo_is_classified_by_every_route_and_kind_of_body(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    open_docs(page)
    for name, kinds in BODIES.items():
        operation = page.locator(f"#{name}")
        operation.locator("summary").click()
        for kind in kinds:
            operation.get_by_label("Content-Type").select_option(kind)
            choose_photo(operation)
            with page.expect_response(lambda response: response.request.method == "POST"):
                operation.get_by_role("button", name="Send").click()
            expect(operation.locator(".answer h3")).to_contain_text("200 OK")
            expect(operation.locator(".answer pre").last).to_contain_text("green")


def test_every_route_to_read_is_answered(visit: Any, server: RunningServer) -> None:
    """The paths that name the model are filled in."""
    page = visit(server)
    operations = open_docs(page)
    for operation in operations.filter(has=page.get_by_text("GET", exact=True)).all():
        operation.locator("summary").click()
        path_fields = operation.locator("input[required]")
        for field in path_fields.all():
            expect(field).not_to_have_value("")
        operation.get_by_role("button", name="Send").click()
        expect(operation.locator(".answer h3")).to_contain_text("200 OK")


def test_parameters_are_sent_and_problems_shown(visit: Any, server: RunningServer) -> None:
    page = visit(server, expected_errors="the server responded with a status of 4")
    operation = open_docs(page, "predict")
    choose_photo(operation)
    operation.get_by_label("top_k").fill("1")
    operation.get_by_label("heatmap").select_option("true")
    send, answer = operation.get_by_role("button", name="Send"), operation.locator(".answer")
    send.click()
    expect(answer.locator("pre").last).to_contain_text('"heatmap"')
    expect(answer.locator("pre").last).not_to_contain_text('"red"')
    operation.get_by_label("return", exact=True).select_option("input")
    send.click()
    expect(answer.locator("img")).to_be_visible()
    operation.get_by_label("top_k").fill("0")
    send.click()
    expect(answer.locator("h3")).to_contain_text("400")
    expect(answer.locator("pre").last).to_contain_text("top_k must be")
    expect(answer.locator("pre").first).to_contain_text("x-request-id")


def test_with_an_api_key(visit: Any, guarded: RunningServer) -> None:
    page = visit(guarded, expected_errors="401")
    operation = open_docs(page, "get_model")
    send, answer = operation.get_by_role("button", name="Send"), operation.locator(".answer")
    send.click()
    expect(answer.locator("h3")).to_contain_text("401")
    page.get_by_label("API key").fill(KEY)
    send.click()
    expect(answer.locator("pre").last).to_contain_text('"classes"')


def test_without_keys_none_is_asked_for(visit: Any, server: RunningServer) -> None:
    page = visit(server)
    open_docs(page)
    expect(page.locator("#key")).to_be_hidden()


@pytest.mark.parametrize(("window", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["light", "phone-dark"])
def test_axe_finds_nothing(visit: Any, guarded: RunningServer, window: dict[str, Any], scheme: str) -> None:
    page = visit(guarded, window={**window, "color_scheme": scheme, "reduced_motion": "reduce"}, expected_errors="401")
    operation = open_docs(page, "predict")
    operation.get_by_role("button", name="Send").click()
    expect(operation.locator(".answer h3")).to_be_visible()
    found = Axe().run(page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
