"""What notebooks show: the tutorial from top to bottom in a real kernel, and each piece alone."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import fieldguide
from fieldguide.progress import NotebookProgress
from service.ui import notebook_html
from tests.fieldguide.conftest import FAST
from tests.support.slim import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.ipynb"


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The code cells of the tutorial, executed."""
    folder = tmp_path_factory.mktemp("tutorial")
    notebook = nbformat.read(TUTORIAL, as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(cells: list[Any], code: str) -> list[Any]:
    """The outputs of the cell whose code contains this text."""
    (found,) = [cell.outputs for cell in cells if code in cell.source]
    return list(found)


def result(cells: list[Any], code: str, kind: str = "text/html") -> str:
    """What the cell shows in the end."""
    return str(outputs(cells, code)[-1]["data"][kind])


class TestTutorial:
    def test_no_cell_writes_to_standard_error(self, tutorial: list[Any]) -> None:
        assert not [out.text for cell in tutorial for out in cell.outputs if out.get("name") == "stderr"]

    @pytest.mark.parametrize(
        ("code", "shown"),
        [
            ("show_batch", 'class="gallery pairs"'),
            ("lr_find", "Learning rate finder: fine-tuning"),
            ("fieldguide.fit", "of 362 validation images"),
            ("top_losses", 'class="gallery top-losses"'),
            ("heatmap=True", 'class="prediction"'),
        ],
    )
    def test_results_show_themselves(self, tutorial: list[Any], code: str, shown: str) -> None:
        assert shown in result(tutorial, code)

    def test_training_has_a_bar_that_is_gone_at_its_end(self, tutorial: list[Any]) -> None:
        (bar,) = [out for out in outputs(tutorial, "fieldguide.fit") if out.output_type == "display_data"]
        assert bar["data"] == {"text/html": "", "text/plain": ""}

    def test_the_model_is_good_on_images_that_it_has_not_seen(self, tutorial: list[Any]) -> None:
        text = result(tutorial, "run.evaluate", "text/plain")
        found = re.search(r"'accuracy': ([0-9.]+)", text)
        assert found
        assert float(found[1]) >= 0.8

    def test_the_service_answers(self, tutorial: list[Any]) -> None:
        assert result(tutorial, "/v1/predict", "text/plain").startswith("('7', 0.")

    def test_it_is_stored_without_outputs(self) -> None:
        cells = nbformat.read(TUTORIAL, as_version=4).cells
        assert not [cell for cell in cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]


class Handle:
    """IPython's handle of a display."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data)


def test_the_bar_counts_and_lines_stay(capsys: pytest.CaptureFixture[str]) -> None:
    handle = Handle()
    progress = NotebookProgress(handle)
    progress.start("<decode>", 1000)
    for _ in range(1000):
        progress.advance()
    progress.info("half done")
    progress.warn("`epochs` is small")
    progress.close()
    texts = [data["text/plain"] for data in handle.shown]
    assert texts[0] == "<decode>: 0 of 1,000 images, 0 s"
    assert texts[-2].startswith("<decode>: 1,000 of 1,000 images, ")
    assert len(texts) < 50  # not one for each image
    assert texts[-1] == ""
    assert "&lt;decode&gt;" in handle.shown[0]["text/html"]
    assert '<progress value="0" max="1000"' in handle.shown[0]["text/html"]
    assert capsys.readouterr().out == "half done\nwarning: `epochs` is small\n"


def test_a_script_shows_lines_and_without_progress_only_warnings(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = FAST | {"cache": home / "cache", "epochs": 0, "head_epochs": 0}
    with pytest.raises(fieldguide.TrainerError, match="nothing would be trained"):
        fieldguide.fit(home / "photos", out=tmp_path / "a", **options)
    captured = capsys.readouterr()
    assert captured.err.startswith("warning: `batch_size`: no effect")
    assert captured.out == ""
    fieldguide.fit(home / "photos", out=tmp_path / "b", **(FAST | {"cache": home / "cache", "progress": True}))
    assert re.search(r"^step \d+ of \d+: epoch 1/2.* \(\d+ images\) [.]{3}$", capsys.readouterr().err, re.MULTILINE)


class Balanced(html.parser.HTMLParser):
    """Checks that every element that is opened is closed."""

    VOID = ("img", "br", "input", "meta", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_fragments_are_whole_and_load_nothing(run: fieldguide.Run, home: Path) -> None:
    prediction = fieldguide.load(run.bundle).predict(home / "photos" / run.predictions[0].path, heatmap=True)
    batch = fieldguide.show_batch(home / "photos", backbone="tiny")
    for shown in (run, run.top_losses(3), prediction, batch):
        text = shown._repr_html_()
        assert text is not None
        parser = Balanced()
        parser.feed(text)
        parser.close()
        assert not parser.open
        assert text.startswith('<div class="fieldguide"><style>')
        assert not re.search(r"<script|https?://(?!www\.w3\.org)|@import", text)


def test_styles_reach_nothing_outside_the_fragment() -> None:
    text = notebook_html("<p>x</p>", css=":root { --own: 1 } p { color: red }")
    rules = text.partition("<style>")[2].partition("</style>")[0]
    assert rules.startswith(".fieldguide.fieldguide.fieldguide {")
    assert rules.rstrip().endswith("}")
    assert rules.count("{") == rules.count("}")
    assert ":root" not in rules


def test_a_class_name_with_markup_is_text(tmp_path: Path) -> None:
    from tests.support.bundles import make_image, write_tiny_bundle

    name = "<script>alert(1)</script>"
    bundle = write_tiny_bundle(tmp_path / "b", classes=(name, "green", "blue"))
    text = fieldguide.load(bundle).predict(make_image("red"))._repr_html_()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
