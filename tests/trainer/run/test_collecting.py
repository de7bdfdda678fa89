"""What a run should collect next, on the page that the command line writes."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.photos import COLOURS, draw
from tests.support.trainer import error_of, fit, table, trainer
from trainer.run import RunFolder
from trainer.run.collecting import collect_for_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 210 images, 120 of them for validation. Do not change it."""
    home = tmp_path_factory.mktemp("collecting")
    colours = list(COLOURS)
    with open(home / "table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "split"))
        for number in range(210):
            draw(colours[number % 3], number).save(home / f"{number:03}.png")
            writer.writerow((f"{number:03}.png", colours[number % 3], "valid" if number < 120 else "train"))
    assert fit(home / "table.csv", home / "run", "--epochs", "1").exit_code == 0
    return home / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run with features, in which one class is hard to tell from another."""
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    random = np.random.default_rng(0)
    centres = random.normal(size=(3, 64))
    centres[2] = centres[1] + 0.2 * random.normal(size=64)
    labels = [row["label"] for row in table(copy / "catalog.csv")]
    classes = [list(COLOURS).index(label) for label in labels]
    features = 0.8 * centres[classes] + random.normal(size=(210, 64))
    np.save(copy / "features.npy", features.astype(np.float16))
    return copy


def test_the_report_says_what_to_collect(run: Path) -> None:
    mistaken = {row["label"] for row in table(run / "predictions.csv") if row["correct"] == "0"}
    assert trainer("report", run).exit_code == 0
    page = (run / "report.html").read_text()
    section = page.partition('<h2 id="collecting">')[2].partition("</section>")[0]
    assert "Accuracy by number of training images" in section
    assert "With twice as many images, " in section
    named = [label for label in COLOURS if f"<h3>{label}</h3>" in section]
    assert set(named) <= mistaken
    assert ("validation images. With 30 more photos of other scenes" in section) == bool(named)
    assert '<a href="#collecting">What to collect</a>' in page


def test_the_errors_are_those_of_the_network(run: Path) -> None:
    folder = RunFolder(run)
    catalog = folder.read_catalog(folder.read_recipe(), None)
    lines = table(run / "predictions.csv")
    for line in lines:
        line["predicted"] = "red" if line["label"] == "blue" else line["label"]
    with open(run / "predictions.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    found = collect_for_run(folder, catalog)
    assert found is not None
    (advice,) = found.advice(catalog.classes)
    assert advice["label"] == "blue"
    assert advice["sentence"].startswith("Recognized: 0 of its 40 validation images.")


def test_a_run_without_features_has_no_such_section(trained: Path) -> None:
    assert 'id="collecting"' not in (trained / "report.html").read_text()


def test_features_of_other_images_are_refused(run: Path) -> None:
    np.save(run / "features.npy", np.zeros((7, 64), dtype=np.float16))
    result = trainer("report", run)
    assert result.exit_code == 2
    assert "has 210 images; remove it, or restore the catalog" in error_of(result)
