from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.full_disk import no_file_over
from tests.support.photos import write_folder, write_tagged_csv
from trainer.catalog import Columns, ReadOptions, read_catalog
from trainer.predictions import Doubt, prediction_rows, read_predictions, write_predictions, write_rows

TAGS = Columns(label="tags", label_delimiter=";")


def lines_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_the_highest_loss_comes_first(tmp_path: Path) -> None:
    catalog = read_catalog(write_folder(tmp_path / "photos", each=5))
    valid = catalog.split("valid")
    probabilities = np.full((len(valid), 3), 0.1)
    probabilities[:, 0] = 0.8  # every image is predicted to be blue
    write_predictions(tmp_path / "predictions.csv", catalog, probabilities, thresholds=())
    lines = lines_of(tmp_path / "predictions.csv")
    assert {line["path"] for line in lines} == {row.path for row in valid}
    assert {line["predicted"] for line in lines} == {"blue"}
    assert [line["correct"] for line in lines] == ["0", "0", "1"]
    assert lines[-1]["label"] == "blue"
    assert float(lines[0]["loss"]) == pytest.approx(-np.log(0.1), abs=1e-6)
    assert float(lines[0]["probability"]) == pytest.approx(0.8)


def test_what_the_model_does_not_know_has_columns_of_its_own(tmp_path: Path) -> None:
    catalog = read_catalog(write_folder(tmp_path / "photos", each=5))
    count = len(catalog.split("valid"))
    probabilities = np.linspace(0.2, 0.6, 3 * count).reshape(count, 3)
    doubts = [Doubt(abstained="unknown"), Doubt(abstained="unsure", label_set=("red", "blue")), Doubt(label_set=())]
    path = tmp_path / "predictions.csv"
    rows = prediction_rows(catalog, probabilities, thresholds=())
    write_rows(path, [replace(row, doubt=doubt) for row, doubt in zip(rows, doubts, strict=True)], catalog)
    found = {line["path"]: (line["abstained"], line["set"]) for line in lines_of(path)}
    assert [found[row.path] for row in catalog.split("valid")] == [("unknown", ""), ("unsure", "red; blue"), ("", "")]
    assert len(read_predictions(path, label_delimiter=None)) == count


def test_a_failed_write_keeps_the_old_file_and_leaves_no_partial_one(tmp_path: Path) -> None:
    """A hidden file with the first lines was left in the run."""
    catalog = read_catalog(write_folder(tmp_path / "photos", each=5))
    path = tmp_path / "run" / "predictions.csv"
    path.parent.mkdir()
    path.write_text("old")
    probabilities = np.full((len(catalog.split("valid")), 3), 0.1)
    with no_file_over(60), pytest.raises(OSError, match="File too large"):
        write_predictions(path, catalog, probabilities, thresholds=())
    assert [found.name for found in path.parent.iterdir()] == ["predictions.csv"]
    assert path.read_text() == "old"


def test_multilabel_predicts_every_class_at_or_over_its_threshold(tmp_path: Path) -> None:
    catalog = read_catalog(write_tagged_csv(tmp_path / "tagged"), ReadOptions(columns=TAGS))
    valid = catalog.split("valid")
    probabilities = np.tile([0.3, 0.3, 0.9], (len(valid), 1))
    write_predictions(tmp_path / "predictions.csv", catalog, probabilities, thresholds=(0.2, 0.4, 0.5))
    lines = lines_of(tmp_path / "predictions.csv")
    assert {line["predicted"] for line in lines} == {"blue;red"}
    labels = {row.path: row.labels for row in valid}
    assert all((line["correct"] == "1") == (labels[line["path"]] == {"blue", "red"}) for line in lines)


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, columns in (("folder", Columns()), ("tags", TAGS)):
        data = write_tagged_csv(tmp_path / name) if name == "tags" else write_folder(tmp_path / name, each=5)
        catalog = read_catalog(data, ReadOptions(columns=columns))
        valid = catalog.split("valid")
        path = tmp_path / f"{name}.csv"
        probabilities = random.random((len(valid), 3))
        write_predictions(path, catalog, probabilities, thresholds=(0.5, 0.5, 0.5))
        rows = read_predictions(path, label_delimiter=catalog.label_delimiter)
        assert {row.path: row.labels for row in rows} == {row.path: row.labels for row in valid}
        assert [str(int(row.correct)) for row in rows] == [line["correct"] for line in lines_of(path)]
        assert [row.loss for row in rows] == sorted((row.loss for row in rows), reverse=True)
        highest = {row.path: value for row, value in zip(valid, probabilities.max(axis=1), strict=True)}
        assert all(row.probability == pytest.approx(highest[row.path], abs=1e-6) for row in rows)
        assert {(row.coarse, row.predicted_coarse, row.coarse_probability) for row in rows} == {("", "", None)}


def test_coarse_labels_are_written_and_read(tmp_path: Path) -> None:
    coarse_of = {"red": "warm", "green": "cool", "blue": "cool"}
    write_folder(tmp_path / "photos", each=5)
    table = tmp_path / "table.csv"
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "warmth"))
        for image in sorted((tmp_path / "photos").rglob("*.*")):
            label = image.parent.name
            writer.writerow((image.relative_to(tmp_path), label, coarse_of[label]))
    catalog = read_catalog(table, ReadOptions(columns=Columns(coarse="warmth")))
    valid = catalog.split("valid")
    assert catalog.classes == ("blue", "green", "red")
    probabilities = np.tile([0.3, 0.3, 0.4], (len(valid), 1))  # red is the most probable class, cool the coarse label
    write_predictions(tmp_path / "predictions.csv", catalog, probabilities, thresholds=())
    assert list(lines_of(tmp_path / "predictions.csv")[0])[-3:] == ["coarse", "predicted_coarse", "coarse_probability"]
    rows = read_predictions(tmp_path / "predictions.csv", label_delimiter=None)
    assert {row.predicted for row in rows} == {frozenset({"red"})}
    assert {(row.predicted_coarse, row.coarse_probability) for row in rows} == {("cool", 0.6)}
    assert all(row.coarse == coarse_of[next(iter(row.labels))] for row in rows)
