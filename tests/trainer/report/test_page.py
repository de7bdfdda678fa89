"""The report as the command line writes it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

from service.bundle import read_bundle
from service.predictor import Predictor
from tests.support.full_disk import no_file_over
from tests.support.many_classes import write_run_of
from tests.support.photos import write_tagged_csv
from tests.support.trainer import table, trainer
from tests.trainer.report.conftest import FINDING, NAMES, decode, fit
from trainer.recipe import Recipe
from trainer.training.metrics import wilson_interval


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, source: Path | str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.feed(source if isinstance(source, str) else source.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.pieces).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def collapse_spaces(text: str) -> str:
    return " ".join(text.split())


def test_the_page_shows_the_numbers_of_the_run(finished: Path) -> None:
    run = finished / "run"
    page, bundle = Page(run / "report.html"), read_bundle(run / "bundle")
    measured = bundle.metrics_of("model.onnx")["validation"]
    accuracy, images = measured["accuracy"], measured["images"]
    low, high = wilson_interval(accuracy, images)
    text = page.text
    assert f"{100 * accuracy:.1f} % of {images} validation images are classified correctly" in text
    assert f"confidence interval is {100 * low:.1f} % to {100 * high:.1f} %" in text
    assert bundle.digest in text
    assert bundle.manifest.producer["torch"] in text
    assert f"finetune.lr 0.02 {Recipe().finetune.lr:g}" in text
    for name in NAMES.values():
        assert collapse_spaces(name) in text


def test_the_page_is_one_file_with_one_script_that_is_allowed_by_its_hash(finished: Path) -> None:
    path = finished / "run" / "report.html"
    page = Page(path)
    assert path.stat().st_size < 3_000_000
    (script,) = re.findall("<script>(.*?)</script>", path.read_text(encoding="utf-8"), re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:"
    assert len(page.all("script")) == 1
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#"))
    assert "url(" not in path.read_text(encoding="utf-8")
    assert all("alt" in image for image in page.all("img"))


def test_the_top_losses_are_shown_as_the_bundle_predicts_them(finished: Path) -> None:
    run = finished / "run"
    page = Page(run / "report.html")
    predictions = table(run / "predictions.csv")
    wrong = [row for row in predictions if row["correct"] == "0"][:16]
    unsure = [row for row in predictions if row["correct"] == "1"][:8]
    assert wrong
    shown = [image for image in page.all("img") if (image["alt"] or "").endswith("as the model sees it")]
    assert [image["alt"] for image in shown] == [f"{row['path']}, as the model sees it" for row in (*wrong, *unsure)]
    layers = [image for image in page.all("img") if image.get("class") == "heatmap"]
    assert len(layers) == len(shown)
    predictor = Predictor(read_bundle(run / "bundle"))
    prediction = predictor.predict((finished / "data" / wrong[0]["path"]).read_bytes(), heatmap=True)
    picture = np.asarray(decode(shown[0]["src"]), dtype=float)
    assert np.abs(picture - prediction.picture.pixels).mean() < 12  # JPEG
    assert f"{collapse_spaces(prediction.best.label)} ({100 * prediction.best.probability:.1f} %)" in page.text
    assert prediction.heatmap is not None
    opacity = np.asarray(decode(layers[0]["src"]).convert("RGBA").resize((4, 4), Image.Resampling.BOX))[..., 3]
    coarse = Image.fromarray(prediction.heatmap.values).resize((4, 4), Image.Resampling.BOX)
    assert np.corrcoef(opacity.ravel().astype(float), np.asarray(coarse).ravel())[0, 1] > 0.8


def test_the_matrix_counts_every_validation_image(finished: Path) -> None:
    run = finished / "run"
    predictions = table(run / "predictions.csv")
    text = (run / "report.html").read_text(encoding="utf-8")
    for kind, correct in (("correct", "1"), ("wrong", "0")):
        cells = [piece.split(">")[1].split("<")[0] for piece in text.split(f'<td class="{kind}"')[1:]]
        assert sum(map(int, cells)) == sum(row["correct"] == correct for row in predictions)


def test_the_same_run_gives_the_same_page_and_no_other_file_changes(finished: Path, run: Path) -> None:
    before = files(run)
    (run / "report.html").write_text("an older report")
    result = trainer("report", run, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"report": str(run / "report.html")}
    commands = [f"serve {folder}/bundle".encode() for folder in (finished / "run", run)]
    assert files(run) == {**before, "report.html": before["report.html"].replace(*commands)}


def test_images_may_move_but_not_change(finished: Path, run: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(finished / "data", tmp_path / "moved"))
    assert trainer("report", run, "--root", moved).exit_code == 0
    worst = table(run / "predictions.csv")[0]["path"]
    (moved / worst).write_bytes(b"another")
    before = files(run)
    result = trainer("report", run, "--root", moved)
    assert result.exit_code == 1
    assert "has changed since the run started" in result.stderr
    assert files(run) == before


def test_a_run_without_what_the_report_needs_is_refused(run: Path, tmp_path: Path) -> None:
    assert trainer("report", tmp_path / "nothing").exit_code == 2
    (run / "bundle" / "head.npy").write_bytes(b"damaged")
    damaged = trainer("report", run)
    assert damaged.exit_code == 3
    assert "head.npy was altered" in damaged.stderr
    shutil.rmtree(run / "bundle")
    unfinished = trainer("report", run)
    assert unfinished.exit_code == 2
    assert f"has no bundle yet; continue the run with fieldguide resume {run}" in unfinished.stderr


def test_a_failed_write_keeps_the_old_report(run: Path) -> None:
    before = files(run)
    with no_file_over(10_000):
        result = trainer("report", run)
    assert result.exit_code == 1
    assert "File too large" in result.stderr
    assert files(run) == before


def test_the_serve_command_of_a_run_with_a_space_in_its_name_can_be_pasted(run: Path) -> None:
    """It had no quotes."""
    spaced = run.rename(run.with_name("my run"))
    assert trainer("report", spaced).exit_code == 0
    command = next(piece for piece in Page(spaced / "report.html").pieces if "fieldguide serve" in piece)
    assert shlex.split(command) == ["fieldguide", "serve", str(spaced / "bundle")]


def test_learning_rate_finder_and_findings_are_shown(with_findings: Path, run: Path) -> None:
    page = Page(with_findings / "report.html")
    for text in ("Too few epochs", "12.3 %", "<u>a", FINDING["summary"], FINDING["try"]):
        assert text in page.text
    assert not page.all("em")
    charts = [svg["aria-label"] or "" for svg in page.all("svg") if "aria-label" in svg]
    assert [label.partition(".")[0] for label in charts][-5:] == [
        "Learning rate finder: head",
        "Learning rate finder: fine-tuning",
        "Images of each class",
        "Reliability diagram",
        "Error by coverage",
    ]
    assert "steepest: 8.5e-4, valley: 1.3e-3, minimum / 10: 2.0e-3" in charts[-5]
    assert "minimum / 10: 5.0e-8, valley: 7.0e-4, steepest: 1.0e-3" in charts[-4]
    assert "suggestion: 1.3e-3" in page.text
    assert "Suggestion: 1.3e-3, the geometric mean of the three methods." in page.text
    assert "Suggestion: 8.0e-1, the point where the loss begins to rise." in page.text
    assert page.text.count("The three methods disagree") == 1
    (run / "diagnosis.json").write_text(json.dumps({"findings": []}))
    assert trainer("report", run).exit_code == 0
    assert "Nothing stands out." in Page(run / "report.html").text


def test_multilabel(tmp_path: Path) -> None:
    tagged = write_tagged_csv(tmp_path / "tagged", images=64)
    result = fit(tagged, tmp_path / "run", "--label-column", "tags", "--label-delimiter", ";")
    assert result.exit_code == 0, result.output
    page = Page(tmp_path / "run" / "report.html")
    predictions = table(tmp_path / "run" / "predictions.csv")
    correct = sum(row["correct"] == "1" for row in predictions)
    text = page.text
    fraction = f"{100 * correct / len(predictions):.1f} %"
    assert f"{fraction} of {len(predictions)} validation images get exactly the right labels" in text
    assert "Mean average precision" in text
    assert "Confusion matrix" not in text
    shown = [image for image in page.all("img") if (image["alt"] or "").endswith("as the model sees it")]
    assert len(shown) == min(16, len(predictions) - correct) + min(8, correct)


def test_a_thousand_classes_stay_one_small_file(tmp_path: Path) -> None:
    run = write_run_of(tmp_path, 1_003, train=1, valid=1)
    assert trainer("report", run).exit_code == 0
    path = run / "report.html"
    page = Page(path)
    assert path.stat().st_size < 800_000
    assert "3 more classes are not listed" in page.text
    table = path.read_text().partition('<table class="classes')[2].partition("</table>")[0]
    assert table.count('<th scope="row">species') == 1_000
    (data,) = re.findall('<script type="application/json">(.*?)</script>', path.read_text())
    assert sum(sum(row[1::2]) for row in json.loads(data)["cells"]) == 1_003


def test_confused_classes_are_shown_with_images_of_both_sides(finished: Path) -> None:
    run = finished / "run"
    predictions = {row["path"]: row for row in table(run / "predictions.csv")}
    section = (run / "report.html").read_text(encoding="utf-8").partition('<ul class="confused">')[2]
    first = Page(section.partition("</li>")[0])
    taken, typical = ([image["title"] for image in first.all("img")][part] for part in (slice(0, -2), slice(-2, None)))
    assert taken
    labels = [predictions[str(path)]["label"] for path in taken]
    given = [predictions[str(path)]["predicted"] for path in taken]
    assert len(set(labels)) == len(set(given)) == 1
    assert labels[0] != given[0]
    shown = {row["path"]: row["label"] for row in table(run / "catalog.csv")}
    assert [shown[str(path)] for path in typical] == [labels[0], given[0]]
    assert collapse_spaces(f"{labels[0]} taken for {given[0]}") in first.text


def test_right_predictions_that_are_unsure_are_shown(finished: Path) -> None:
    run = finished / "run"
    unsure = [row["path"] for row in table(run / "predictions.csv") if row["correct"] == "1"][:8]
    section = (run / "report.html").read_text(encoding="utf-8").partition("Right, but unsure")[2]
    page = Page(section.partition("</section>")[0])
    shown = [image["alt"] for image in page.all("img") if "class" not in image]
    assert shown == [f"{path}, as the model sees it" for path in unsure]
    prediction = Predictor(read_bundle(run / "bundle")).predict((finished / "data" / unsure[0]).read_bytes())
    best, second = prediction.ranked[:2]
    assert collapse_spaces(
        f"Predicted: {best.label} ({100 * best.probability:.1f} %) "
        f"nearly {second.label} ({100 * second.probability:.1f} %)"
    ) in page.text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_page_names_the_augmentation_that_the_examples_do_not_show(finished: Path, tmp_path: Path) -> None:
    assert "mixes images" not in (finished / "run" / "report.html").read_text()
    options = ("--mixup", "0.4", "--sizes", "16:1,32:1")
    assert trainer(
        "fit", finished / "data" / "table.csv", "--out", tmp_path / "run", "--cache", finished / "cache",
        "--backbone", "tiny", "--batch-size", "8", "--device", "cpu", *options,
    ).exit_code == 0  # fmt: skip
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Fine-tuning also mixes images with each other, which is not shown." in page
    assert "The views have the input size of the model. Fine-tuning used other sizes, too." in page
