from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.trainer.checking.pictures import check_folder, dark, picture, write_pictures
from trainer.checking.findings import CheckResult
from trainer.checking.output import require_new_file, result_text, write_result
from trainer.checking.page import render_notebook, render_page
from trainer.errors import CheckError


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> CheckResult:
    photos = write_pictures(tmp_path_factory.mktemp("check") / "<photos>")
    shutil.copy(photos / "a/000.jpg", photos / "a/<b>copy & more.jpg")
    shutil.copy(photos / "a/000.jpg", photos / "a/copy 2.jpg")
    for number in range(4):
        dark(picture(600 + number)).save(photos / f"b/dark-{number}.jpg")
    (photos / "a/text.jpg").write_text("no image")
    return check_folder(photos)


def test_text(result: CheckResult) -> None:
    lines = result_text(result).splitlines()
    assert re.fullmatch(r".*/<photos>: 67 images; checked in \d+\.\d s", lines[0])
    assert "exact-duplicates: 3 images in 1 group have the same content; 2 of them could be removed." in lines
    assert any(re.fullmatch(r"  a/000\.jpg: group 1, 240 x 180 JPEG, [\d,]+ bytes, keep", line) for line in lines)
    assert any(line.startswith("  b/dark-0.jpg: light parts at ") for line in lines)


def test_text_lists_the_first_images_only(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", each=60)
    for number in range(7):
        (photos / f"a/text-{number}.jpg").write_text(f"no image {number}")
    text = result_text(check_folder(photos))
    assert "  ... and 2 more images" in text
    assert "text-5" not in text


def test_nothing_was_found(tmp_path: Path) -> None:
    result = check_folder(write_pictures(tmp_path / "photos", each=5))
    assert result_text(result).endswith("\nnothing was found")
    assert "Nothing was found." in render_page(result)


def test_json_and_csv(result: CheckResult, tmp_path: Path) -> None:
    write_result(result, tmp_path / "check.json")
    write_result(result, tmp_path / "check.csv")
    assert json.loads((tmp_path / "check.json").read_text()) == json.loads(json.dumps(result.to_dict()))
    with open(tmp_path / "check.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["kind"], row["path"]) for row in rows] == [
        (finding.kind, image.path) for finding in result.findings for image in finding.images
    ]
    assert [(row["group"], row["keep"]) for row in rows if row["kind"] == "exact-duplicates"] == [
        ("0", "1"), ("0", "0"), ("0", "0"),
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".html", ".json", ".csv"])
def test_nothing_is_overwritten(result: CheckResult, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"check{suffix}"
    path.write_text("own")
    with pytest.raises(FileExistsError, match="exists already"):
        write_result(result, path)
    assert path.read_text() == "own"


def test_other_suffixes(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match=r"give a file that ends in \.html, \.json, \.csv"):
        require_new_file(tmp_path / "check.pdf")


def test_the_page_shows_every_finding_with_its_images(result: CheckResult) -> None:
    page = render_page(result)
    for finding in result.findings:
        assert f'id="{finding.kind}"' in page
    assert page.count('src="data:image/jpeg') == sum(len(finding.images) for finding in result.findings) - 1
    assert "&lt;b&gt;copy &amp; more.jpg" in page
    assert "<b>copy" not in page
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)


def test_the_page_shows_a_limited_number_of_images(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", each=10)
    for number in range(60):
        shutil.copy(photos / "a/000.jpg", photos / f"a/copy-{number}.jpg")
    page = render_page(check_folder(photos))
    assert page.count('src="data:image/jpeg') == 24
    assert "37 more images are not shown here." in page


def test_an_image_that_is_gone_is_left_without_its_picture(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", each=10)
    shutil.copy(photos / "a/000.jpg", photos / "a/copy.jpg")
    result = check_folder(photos)
    (photos / "a/copy.jpg").unlink()
    page = render_page(result)
    assert page.count('src="data:image/jpeg') == 1
    assert "a/copy.jpg" in page


def test_the_fragment_for_a_notebook(result: CheckResult) -> None:
    html = render_notebook(result)
    assert html.startswith('<div class="fieldguide">')
    assert "Exact duplicates" in html


@pytest.fixture
def opened(result: CheckResult, tmp_path: Path) -> str:
    path = tmp_path / "check.html"
    write_result(result, path)
    return path.as_uri()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(browser: Browser, opened: str, scheme: str, width: int) -> None:
    """No request, no message, nothing wider than the window, accessible, in both colour schemes."""
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    requests, messages = list[str](), list[str]()
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.goto(opened)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert [url for url in requests if not url.startswith("data:")] == [opened]
    assert messages == []
    context.close()
