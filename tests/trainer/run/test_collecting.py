"""What a run should collect next, on the page that the command line writes."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.support.many_classes import write_run_of
from tests.support.trainer import error_of, table, trainer
from trainer.catalog import Row
from trainer.run import RunFolder
from trainer.run.clean import open_cleaning
from trainer.run.collecting import class_vectors, collect_for_run

CLASSES = ("species 0", "species 1", "species 2")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A run of three classes, each with 30 training and 40 validation images, without features."""
    return write_run_of(tmp_path, 3, train=30, valid=40)


@pytest.fixture
def run(bare: Path) -> Path:
    """The same with features, by which the last two classes are hard to tell apart."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(3, 64))
    centres[2] = centres[1] + 0.2 * random.normal(size=64)
    classes = [CLASSES.index(row["label"]) for row in table(bare / "catalog.csv")]
    features = 0.8 * centres[classes] + random.normal(size=(210, 64))
    np.save(bare / "features.npy", features.astype(np.float16))
    return bare


def predict(run: Path, mistakes: dict[str, str]) -> None:
    """Write predictions.csv anew: every label is predicted as it is, or as `mistakes` says."""
    lines = table(run / "predictions.csv")
    with open(run / "predictions.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        for line in lines:
            predicted = mistakes.get(line["label"], line["label"])
            writer.writerow(line | {"predicted": predicted, "correct": str(int(predicted == line["label"]))})


def test_the_errors_of_the_network_decide_which_classes_are_wanted(run: Path) -> None:
    predict(run, {"species 0": "species 1"})
    folder = RunFolder(run)
    catalog = folder.read_catalog(folder.read_recipe(), None)
    found = collect_for_run(folder, catalog)
    assert found is not None
    (advice,) = found.advice(catalog.classes)
    assert (advice["label"], advice["images"]) == ("species 0", 30)
    assert advice["sentence"].startswith(
        "Recognized: 0 of its 40 validation images. With 30 more photos of other scenes"
    )


def test_images_that_a_person_removed_or_gave_a_new_class_do_not_count(run: Path) -> None:
    predict(run, {"species 0": "species 1"})
    folder = RunFolder(run)
    catalog = folder.read_catalog(folder.read_recipe(), None)
    own = [
        position for position, row in enumerate(catalog.rows) if row.labels == {"species 0"} and row.split == "valid"
    ]
    now: list[Row | None] = list(catalog.rows)
    for position in own[:10]:
        now[position] = None
    for position in own[10:20]:
        now[position] = dataclasses.replace(catalog.rows[position], labels=frozenset({"species 4"}))
    found = collect_for_run(folder, catalog, now=now)
    assert found is not None
    (advice,) = found.advice(catalog.classes)
    assert advice["sentence"].startswith("Recognized: 0 of its 20 validation images.")


def test_the_last_page_of_cleaning_says_what_to_collect(run: Path) -> None:
    predict(run, {"species 0": "species 1"})
    cleaning = open_cleaning(run)
    assert cleaning.views.summary(cleaning.session.replayed())["collect"] is None
    cleaning.background.start()
    cleaning.background.wait(60)
    summary = cleaning.views.summary(cleaning.session.replayed())
    assert [advice["label"] for advice in summary["collect"]] == ["species 0"]


def test_the_report_says_what_to_collect(run: Path) -> None:
    predict(run, {"species 1": "species 0"})
    assert trainer("report", run).exit_code == 0
    page = (run / "report.html").read_text()
    section = page.partition('<h2 id="collecting">')[2].partition("</section>")[0]
    assert "<h3>species 1</h3>" in section
    assert "Recognized: 0 of its 40 validation images. With 30 more photos of other scenes: about " in section
    assert "<h3>species 2</h3>" not in section
    assert "Accuracy by number of training images" in section
    assert "With twice as many images, " in section
    assert '<a href="#collecting">What to collect</a>' in page


def test_a_run_without_features_has_no_such_section(bare: Path) -> None:
    assert trainer("report", bare).exit_code == 0
    assert 'id="collecting"' not in (bare / "report.html").read_text()
    folder = RunFolder(bare)
    assert class_vectors(folder, folder.read_catalog(folder.read_recipe(), None)) is None


def test_similar_classes_have_similar_vectors(run: Path) -> None:
    folder = RunFolder(run)
    vectors = class_vectors(folder, folder.read_catalog(folder.read_recipe(), None))
    assert vectors is not None
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert units[1] @ units[2] > 0.5
    assert units[0] @ units[1] < 0


def test_features_of_other_images_are_refused(run: Path) -> None:
    np.save(run / "features.npy", np.zeros((7, 64), dtype=np.float16))
    result = trainer("report", run)
    assert result.exit_code == 2
    assert "has 210 images; remove it, or restore the catalog" in error_of(result)
