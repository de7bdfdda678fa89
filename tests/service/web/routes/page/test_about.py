"""What the page says of the model: its classes, how good it is, and programs that ask this service."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser import upload
from tests.support.bundles import make_image, metrics_json, write_tiny_bundle
from tests.support.server import RunningServer

pytestmark = pytest.mark.browser

KEY = "a-key-of-the-variable"
CLASSES = ("Golden-Delicious", "Crème_brûlée", "soy-milk", "soy_milk", "__", *(f"plain {n}" for n in range(40)))
# As the trainer writes it.
METRICS = {"validation": {"accuracy": 0.8918918918918919, "images": 296, "coarse_accuracy": 0.939, "loss": 0.47}}
PROGRAMS = {
    "curl": [shutil.which("curl") and shutil.which("sh"), "-c"],
    "Python": [sys.executable, "-c"],
    "JavaScript": [shutil.which("node"), "--input-type=module", "--eval"],
}


def write_groceries(path: Path, metrics: dict[str, Any]) -> Path:
    return write_tiny_bundle(path, name="groceries", classes=CLASSES, replace={"metrics.json": metrics_json(metrics)})


@pytest.fixture(scope="module")
def groceries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(write_groceries(tmp_path_factory.mktemp("about") / "groceries", METRICS)) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(bundle_path: Path) -> Iterator[RunningServer]:
    with RunningServer(bundle_path, environ={"FIELDGUIDE_API_KEYS": KEY}) as running:
        yield running


def open_part(page: Page, title: str) -> None:
    page.locator("summary").filter(has_text=title).click()


def test_every_class_can_be_searched_as_it_is_read(visit: Any, groceries: RunningServer) -> None:
    page = visit(groceries)
    page.get_by_text("and 33 more").click()
    items, search = page.locator("#class-list li"), page.get_by_label("Search")
    # Two classes that would read the same stay as they are.
    expect(items).to_have_count(len(CLASSES))
    expect(page.locator("#class-count")).to_have_text(f"{len(CLASSES)} classes")
    assert items.all_text_contents()[:5] == ["Golden Delicious", "Crème brûlée", "soy-milk", "soy_milk", "__"]
    for wanted, found in {
        "golden del": ["Golden Delicious"],
        "GOLDEN-DEL": ["Golden Delicious"],
        "creme bru": ["Crème brûlée"],
        "soy milk": ["soy-milk", "soy_milk"],
        "durian": [],
    }.items():
        search.fill(wanted)
        expect(items.filter(visible=True)).to_have_text(found)
        expect(page.locator("#class-count")).to_have_text(f"{len(found)} of {len(CLASSES)} classes")


def test_a_label_is_read_with_blanks_everywhere(visit: Any, groceries: RunningServer) -> None:
    page = visit(groceries)
    expect(page.locator(".known li").first).to_have_text("Golden Delicious")
    upload(page, make_image("red"))
    expect(page.locator("h2")).to_have_text("Not sure; perhaps Golden Delicious.")
    expect(page.locator(".name").first).to_have_text("Golden Delicious")
    expect(page.locator(".name").first).to_have_attribute("title", "Golden-Delicious")
    expect(page.locator("#status")).to_contain_text("Golden Delicious, ")
    page.get_by_role("switch").check()
    expect(page.locator("#caption")).to_contain_text("“Golden Delicious”")


def test_how_good_it_is_with_its_interval_and_date(visit: Any, groceries: RunningServer) -> None:
    page = visit(groceries)
    line = "Right for 89.2% of 296 validation photos (95\u2009% interval: 85.1% to 92.2%)."
    expect(page.locator("#result .facts")).to_have_text(line)
    open_part(page, "How good it is")
    expect(page.locator("#quality")).to_contain_text(line)
    expect(page.locator("#quality")).to_contain_text("The right group of classes: 93.9%.")
    expect(page.locator("#quality")).to_contain_text("Version 1, made November 20, 2026.")


# Metrics of other bundles, and what is said of them.
OTHER_METRICS: list[tuple[dict[str, Any], str]] = [
    ({"validation": {"mean_average_precision": 0.925, "micro_f1": 0.948, "images": 296}}, "precision 92.5%, F1 94.8%"),
    ({}, "does not say how good"),
    ({"validation": {"accuracy": "good", "images": 0}}, "does not say how good"),
    ({"validation": []}, "does not say how good"),
    ({"validation": {"accuracy": 1, "images": 1}}, "of 1 validation photo (95\u2009% interval: 20.7% to 100.0%"),
    ({"validation": {"mean_average_precision": 0.9}}, "does not say how good"),
]


def test_metrics_of_other_bundles(visit: Any, groceries: RunningServer) -> None:
    page = visit(groceries)
    details = httpx.get(f"{groceries.url}/v1/model").json()
    for metrics, text in OTHER_METRICS:
        task = "multilabel" if "mean_average" in str(metrics) else "classification"
        page.route("**/v1/model", fulfilled({**details, "metrics": metrics, "task": task}))
        page.reload()
        open_part(page, "How good it is")
        expect(page.locator("#quality")).to_contain_text(text)


def fulfilled(details: dict[str, Any]) -> Callable[[Route], None]:
    return lambda route: route.fulfill(json=details)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("fixture", ["server", "guarded"])
def test_the_code_asks_this_very_server(
    visit: Any, request: pytest.FixtureRequest, tmp_path: Path, name: str, fixture: str
) -> None:
    if not PROGRAMS[name][0]:
        pytest.skip(f"the program for {name} is not installed")
    running = request.getfixturevalue(fixture)
    page = visit(running, expected_errors="401")
    if fixture == "guarded":
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
    open_part(page, "Use it from code")
    button = page.get_by_role("button", name=f"Copy the code for {name}")
    button.click()
    expect(button).to_have_text("Copied")
    code = page.locator(".sample", has_text=name).locator("code").text_content()
    assert running.url in code
    assert KEY not in code
    assert "blue" in run_code(name, code, tmp_path)


def run_code(name: str, code: str, folder: Path) -> str:
    """Run one of the programs as it is, with a photo in its folder, and return what it prints."""
    (folder / "photo.jpg").write_bytes(make_image("blue", encoding="JPEG"))
    if name == "JavaScript":
        ask = f'await predict(await openAsBlob("photo.jpg"), "{KEY}")'
        code = f'import {{ openAsBlob }} from "node:fs";\n{code}\nconsole.log(JSON.stringify({ask}));'
    environ = {"PATH": os.environ["PATH"], "API_KEY": KEY}
    done = subprocess.run(
        [*PROGRAMS[name], code], cwd=folder, env=environ, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def test_copying_without_a_clipboard_for_pages(visit: Any, groceries: RunningServer) -> None:
    """Such as over plain HTTP from another device."""
    page = visit(groceries)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    open_part(page, "Use it from code")
    button = page.get_by_role("button", name="Copy the code for Python")
    button.click()
    expect(button).to_have_text("Copied")
    assert "urllib" in page.evaluate("getSelection().toString()")
