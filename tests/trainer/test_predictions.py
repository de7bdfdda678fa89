from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.support.full_disk import no_file_over
from tests.support.photos import write_folder, write_tagged_csv
from trainer.catalog import Columns, read_catalog
from trainer.predictions import read_predictions, write_predictions


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_the_worst_mistakes_come_first(tmp_path: Path) -> None:
    catalog = read_catalog(write_folder(tmp_path / "photos", each=5))
    valid = catalog.split("valid")
    probabilities = np.full((len(valid), 3), 0.1)
    probabilities[:, 0] = 0.8  # everything is called blue
    write_predictions(tmp_path / "predictions.csv", catalog, probabilities, thresholds=(0.0,))
    found = rows(tmp_path / "predictions.csv")
    assert {row["path"] for row in found} == {row.path for row in valid}
    assert {row["predicted"] for row in found} == {"blue"}
    assert [row["correct"] for row in found] == ["0", "0", "1"]
    assert found[-1]["label"] == "blue"
    assert float(found[0]["loss"]) == pytest.approx(-np.log(0.1), abs=1e-6)
    assert float(found[0]["probability"]) == pytest.approx(0.8)


def test_what_cannot_be_written_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A hidden file with the first lines was left in the run."""
    catalog = read_catalog(write_folder(tmp_path / "photos", each=5))
    path = tmp_path / "run" / "predictions.csv"
    path.parent.mkdir()
    path.write_text("of before")
    probabilities = np.full((len(catalog.split("valid")), 3), 0.1)
    with no_file_over(60), pytest.raises(OSError, match="File too large"):
        write_predictions(path, catalog, probabilities, thresholds=(0.0,))
    assert [place.name for place in path.parent.iterdir()] == ["predictions.csv"]
    assert path.read_text() == "of before"


def test_labels_are_those_at_their_thresholds(tmp_path: Path) -> None:
    catalog = read_catalog(write_tagged_csv(tmp_path / "tagged"), columns=Columns(label="tags", label_delimiter=";"))
    valid = catalog.split("valid")
    probabilities = np.tile([0.3, 0.3, 0.9], (len(valid), 1))
    write_predictions(tmp_path / "predictions.csv", catalog, probabilities, thresholds=(0.2, 0.4, 0.5))
    found = rows(tmp_path / "predictions.csv")
    assert {row["predicted"] for row in found} == {"blue;red"}
    truth = {row.path: row.labels for row in valid}
    assert all((row["correct"] == "1") == (truth[row["path"]] == {"blue", "red"}) for row in found)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, options in (("folder", {}), ("tags", {"label_column": "tags", "label_delimiter": ";"})):
        data = write_tagged_csv(tmp_path / name) if options else write_folder(tmp_path / name, each=5)
        catalog = read_catalog(data, **options)
        valid = catalog.split("valid")
        path = tmp_path / f"{name}.csv"
        write_predictions(path, catalog, random.random((len(valid), 3)), thresholds=(0.5, 0.5, 0.5))
        answers = read_predictions(path, label_delimiter=catalog.label_delimiter)
        assert {answer.path: answer.labels for answer in answers} == {row.path: row.labels for row in valid}
        assert [str(int(answer.predicted == answer.labels)) for answer in answers] == [
            row["correct"] for row in rows(path)
        ]
        assert [answer.loss for answer in answers] == sorted((answer.loss for answer in answers), reverse=True)
