"""Real photos: 2,936 groceries in shops, if FIELDGUIDE_REAL_DATA names their folder."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from tests.support.server import RunningServer
from trainer.cli import main

DATA = Path(os.environ.get("FIELDGUIDE_REAL_DATA", "nowhere"))
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not (DATA / "train.csv").is_file(), reason="FIELDGUIDE_REAL_DATA names no folder of photos"),
]


def fit(table: Path, run: Path, *more: str | Path) -> dict[str, object]:
    arguments = ["fit", table, "--root", DATA, "--out", run, "--cache", run.parent / "cache", "--json", *more]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    summary: dict[str, object] = json.loads(result.stdout)
    return summary


def some_classes(tmp_path: Path, name: str, classes: set[str]) -> Path:
    """Write the rows of a table that have one of some coarse labels."""
    rows = list(csv.DictReader((DATA / f"{name}.csv").read_text(encoding="utf-8").splitlines()))
    path = tmp_path / f"{name}.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row for row in rows if row["coarse"] in classes)
    return path


@pytest.fixture(scope="module")
def fruit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the real backbone, both stages, on three coarse classes, at a small size."""
    folder = tmp_path_factory.mktemp("grocery")
    classes = {"Apple", "Banana", "Tomato"}
    train, valid = (some_classes(folder, name, classes) for name in ("train", "val"))
    fit(
        train, folder / "run", "--valid", valid, "--label-column", "coarse", "--size", "128", "--epochs", "1",
    )  # fmt: skip
    return folder


def test_three_kinds_of_fruit_are_recognized(fruit: Path) -> None:
    metrics = json.loads((fruit / "run" / "bundle" / "metrics.json").read_text())["models"]["model.onnx"]
    assert metrics["validation"]["accuracy"] > 0.85


def test_accuracy_is_the_same_in_the_metrics_on_the_command_line_and_over_http(fruit: Path) -> None:
    """To the last image."""
    bundle = fruit / "run" / "bundle"
    metrics = json.loads((bundle / "metrics.json").read_text())["models"]["model.onnx"]
    rows = list(csv.DictReader((fruit / "val.csv").read_text(encoding="utf-8").splitlines()))
    files = [str(DATA / row["path"]) for row in rows]
    command = [sys.executable, "-m", "service", "predict", str(bundle), "--json", "--model", "fp32", *files]
    predicted = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["images"]
    correct = sum(prediction["label"] == row["coarse"] for prediction, row in zip(predicted, rows, strict=True))
    assert correct / len(rows) == metrics["validation"]["accuracy"]

    with RunningServer(bundle, "--model", "fp32") as server, httpx.Client(base_url=server.url, timeout=30) as client:
        for prediction, file in zip(predicted, files, strict=True):
            content = Path(file).read_bytes()
            served = client.post("/v1/predict", content=content, headers={"Content-Type": "image/jpeg"}).json()
            assert (served["label"], served["probability"]) == (prediction["label"], prediction["probability"])


def test_several_labels_an_image_end_to_end(tmp_path: Path) -> None:
    classes = {"Apple", "Banana", "Milk"}
    train, valid = (some_classes(tmp_path, name, classes) for name in ("train", "val"))
    summary = fit(
        train, tmp_path / "run", "--valid", valid, "--label-column", "tags", "--label-delimiter", ";",
        "--size", "96", "--epochs", "0",
    )  # fmt: skip
    metrics = summary["validation"]
    assert isinstance(metrics, dict)
    assert metrics["micro_f1"] > 0.6
    assert metrics["mean_average_precision"] > 0.6
