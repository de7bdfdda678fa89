"""`fieldguide compare`: text, JSON and page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

import fieldguide
from tests.support.browser import DESKTOP, PHONE
from tests.support.compared import SWAPPED, rows_of, write_colours, write_run
from tests.support.trainer import error_of, trainer

LABEL = "<b>red</b> & {{ 7 * 7 }}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and one on cleaned labels that is better; one class has an unusual name. Do not change them."""
    home = tmp_path_factory.mktemp("compare")
    colours = write_colours(home / "colours")
    renamed = {f"red/{number:03}.png": LABEL for number in range(12)}
    cleaned = renamed | {"green/000.png": "blue", "blue/001.png": "-"}
    first = write_run(home / "run", colours, rows_of(colours, labels=renamed), classes=(LABEL, *SWAPPED[1:]))
    second = write_run(home / "cleaned", colours, rows_of(colours, labels=cleaned), classes=(LABEL, "green", "blue"))
    return first, second


@pytest.fixture(scope="module")
def page(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of their comparison."""
    out = tmp_path_factory.mktemp("page") / "new" / "compare.html"
    result = trainer("compare", *runs, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"page: {out}" in result.stdout
    return out


def test_the_answer_in_lines(runs: tuple[Path, Path]) -> None:
    first, second = runs
    result = trainer("compare", first, second)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == (f"{first} -> {second}, on 18 images: the validation images of both that neither was trained on")
    assert f"by the labels of {second} (17 images):" in lines
    assert "  accuracy 41.2 % -> 94.1 %, +52.9 points (95 % interval " in result.stdout
    assert f"by the labels of {first} (18 images): 1 image with other labels than in {second} and 1 image " in (
        result.stdout
    )
    assert "better at 2 classes: 'green' (0.0 % -> 100.0 % of 5 images" in result.stdout


def test_the_answer_as_json(runs: tuple[Path, Path]) -> None:
    result = trainer("compare", *runs, "--json")
    value = json.loads(result.stdout)
    assert (value["task"], value["metric"]) == ("classification", "accuracy")
    new, old = value["results"]
    assert new["paired"]["second"] == pytest.approx(16 / 17)
    assert new["difference"] == pytest.approx(9 / 17)
    assert new["paired"]["interval"][0] < 9 / 17 < new["paired"]["interval"][1]
    assert old["images"] == 18
    image = next(image for image in value["changed"] if image["path"] == "green/000.png")
    assert image["labels"] == {str(runs[1]): ["blue"], str(runs[0]): ["green"]}
    assert (image["first"], image["second"], image["outcome"]) == (["blue"], ["green"], "broken")
    assert value["first"]["digest"].startswith("sha256:")


def test_the_same_from_python(runs: tuple[Path, Path], tmp_path: Path) -> None:
    found = fieldguide.compare(*runs, out=tmp_path / "compare.html", progress=False)
    assert isinstance(found, fieldguide.Comparison)
    assert found.verdicts[0].paired.second == pytest.approx(16 / 17)
    assert str(found) == trainer("compare", *runs).stdout.rstrip("\n")
    assert (tmp_path / "compare.html").read_bytes()
    assert repr(found).startswith(f"Comparison({str(runs[0])!r}, {str(runs[1])!r}: accuracy 41.2 % -> 94.1 %, +52.9 ")
    assert len(repr(found)) < 500
    with pytest.raises(FileExistsError):
        fieldguide.compare(*runs, out=tmp_path / "compare.html", progress=False)


def test_a_page_must_be_new_and_a_page(runs: tuple[Path, Path], page: Path, tmp_path: Path) -> None:
    before = page.read_bytes()
    again = trainer("compare", *runs, "--out", page)
    assert again.exit_code == 2
    assert "nothing is overwritten" in error_of(again)
    assert page.read_bytes() == before
    other = trainer("compare", *runs, "--out", tmp_path / "compare.pdf")
    assert other.exit_code == 2
    assert "give --out the suffix .html" in error_of(other)


def test_what_cannot_be_compared(runs: tuple[Path, Path]) -> None:
    result = trainer("compare", runs[0], runs[1] / "bundle")
    assert result.exit_code == 2
    assert "name images that it has not seen: a folder or a CSV after the two models" in error_of(result)
    nothing = trainer("compare", runs[0], runs[1].parent / "nothing")
    assert nothing.exit_code == 3
    assert "nothing" in error_of(nothing)


def test_the_page_is_one_small_file(page: Path, runs: tuple[Path, Path]) -> None:
    text = page.read_text()
    assert len(text) < 200_000
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert "<b>red</b>" not in text
    assert text.count("<figure>") == 12 + 0
    assert "Right before, wrong now" in text
    assert f"1 image with other labels than in {runs[1]}" in text


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_is_accessible_and_fits_the_window(
    browser: Browser, page: Path, window: dict[str, Any], scheme: str
) -> None:
    context = browser.new_context(**window, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    opened = context.new_page()
    requested, messages = [], []
    opened.on("request", lambda request: requested.append(request.url))
    opened.on("console", lambda message: messages.append(message.text))
    opened.goto(page.as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(opened).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    sizes = opened.locator("img").evaluate_all("(images) => images.map((image) => image.naturalWidth)")
    assert min(sizes) > 0
    assert {url for url in requested if not url.startswith("data:")} == {page.as_uri()}
    assert messages == []
    context.close()
