"""The page on collecting photos: its notebook from top to bottom in a real kernel, and its script in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from playwright.sync_api import Browser, Route

from tests.docs.blocks import ROOT, blocks_of
from tests.support.misbehaving import image
from tests.support.photo_search import ColouredPhotos
from tests.support.programs import replaced

NOTEBOOK = ROOT / "docs" / "collecting.ipynb"
PAGE = """
<!doctype html><base href="https://photos.test/album/">
<img src="plain.jpg">
<img src="small.jpg" srcset="small.jpg 320w, large.jpg 1600w,middle.jpg 800w">
<img src="one.jpg" srcset="/two.jpg 2x">
<picture><source srcset="p-100.webp 100w, p-900.webp 900w" type="image/webp"><img src="p.jpg"></picture>
<img src="comma,in,name.jpg" srcset="a,b.jpg 1x, c,d.jpg 3x">
<img src="icon.png"><img src="data:image/png;base64,iVBORw0KGgo="><img>
<img src="plain.jpg#again">
<a href="full.JPG">large</a> <a href="page.html">page</a> <a href="mailto:a@b.jpg">mail</a> <a href="https://x.test/a.webp?w=1#f">x</a>
"""
FOUND = [
    "https://photos.test/album/plain.jpg",
    "https://photos.test/album/large.jpg",
    "https://photos.test/two.jpg",
    "https://photos.test/album/p-900.webp",
    "https://photos.test/album/c,d.jpg",
    "https://photos.test/album/full.JPG",
    "https://x.test/a.webp?w=1",
]


@pytest.mark.browser
def test_the_script_saves_the_urls_of_the_images_of_a_page(browser: Browser) -> None:
    (script,) = [block.code for block in blocks_of(ROOT / "docs" / "collecting.md") if block.language == "javascript"]

    def answer(route: Route) -> None:
        if route.request.url.endswith("/album/"):
            route.fulfill(body=PAGE, content_type="text/html")
        elif route.request.url.endswith("icon.png"):
            route.fulfill(body=image(0), content_type="image/jpeg")
        else:
            route.abort()

    page = browser.new_page()
    page.route("**/*", answer)
    page.goto("https://photos.test/album/")
    page.wait_for_load_state("load")
    with page.expect_download() as saved:
        assert page.evaluate(script) == f"{len(FOUND)} URLs"
    assert saved.value.suggested_filename == "urls.txt"
    assert Path(saved.value.path()).read_text().splitlines() == FOUND
    page.close()


@pytest.fixture(scope="module")
def server() -> Iterator[ColouredPhotos]:
    with ColouredPhotos() as running:
        yield running


@pytest.fixture(scope="module")
def cells(server: ColouredPhotos, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The code cells of the notebook, executed: with fewer photos, a small network, and the local server."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    small = {
        '{"contact": ""}': f'{{"api": "{server.openverse}", "allow_private": True}}',
        "count=50": "count=12",
        "n=6": 'n=6, backbone="tiny"',
        "epochs=5": 'epochs=1, head_epochs=1, backbone="tiny", batch_size=8, device="cpu"',
    }
    for old, new in small.items():
        (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and old in cell.source]
        cell.source = replaced(cell.source, (old, new))
    folder = tmp_path_factory.mktemp("collecting")
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cells: list[Any], code: str) -> str:
    """What the cell with this code shows, as text."""
    (found,) = [cell.outputs for cell in cells if code in cell.source]
    return "".join(
        out.get("text", "") + str(out.get("data", {}).get("text/html", out.get("data", ""))) for out in found
    )


def test_the_notebook_leads_from_words_to_a_classifier(cells: list[Any]) -> None:
    assert "photos: 36 new images" in shown(cells, "fieldguide.search")
    assert "grizzly bear 12, black bear 12, teddy bear 12" in shown(cells, "fieldguide.search")
    assert "by Tim Sullivan is licensed under CC BY-SA 2.0." in shown(cells, "rows[0]")
    assert 'class="fieldguide"' in shown(cells, "fieldguide.check")
    assert 'class="gallery pairs"' in shown(cells, "show_batch")
    assert "validation images" in shown(cells, "fieldguide.fit")
    assert 'class="gallery top-losses"' in shown(cells, "top_losses")


def test_no_cell_writes_to_standard_error(cells: list[Any]) -> None:
    assert not [out.text for cell in cells for out in cell.outputs if out.get("name") == "stderr"]


def test_the_notebook_is_stored_without_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert not [cell for cell in cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]
