"""`--coarse-column`: the accuracy of coarse labels is reported wherever that of the classes is."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from service.bundle import read_bundle
from service.predictor import Predictor
from tests.support.photos import WARMTH, write_grouped_csv, write_tagged_csv
from tests.support.runs import kill_once_exists, outcome
from tests.support.trainer import FAST, command, error_of, fit, table, trainer


def test_coarse_accuracy_is_reported_and_kept_by_export_and_resume(tmp_path: Path) -> None:
    run, cache = tmp_path / "run", tmp_path / "cache"
    data = write_grouped_csv(tmp_path)
    result = fit(data, run, "--coarse-column", "warmth", "--json")
    assert result.exit_code == 0, result.output
    reported = json.loads(result.stdout)["validation"]
    bundle = read_bundle(run / "bundle")
    assert bundle.metrics_of("model.onnx")["validation"] == reported
    assert "| coarse accuracy | " in bundle.card
    assert "The coarse labels (2): cool, warm." in bundle.card
    assert tomllib.loads((run / "recipe.toml").read_text())["data"]["coarse_column"] == "warmth"
    assert {row["label"]: row["coarse"] for row in table(run / "catalog.csv")} == WARMTH

    # The same from the predictions of the bundle: probabilities are summed over the classes of a coarse label.
    predictor, correct = Predictor(bundle), 0
    rows = [row for row in table(run / "catalog.csv") if row["split"] == "valid"]
    predicted = {}
    for row in rows:
        summed = {"cool": 0.0, "warm": 0.0}
        prediction = predictor.predict((tmp_path / row["path"]).read_bytes())
        for label, probability in zip(bundle.spec.classes, prediction.probabilities, strict=True):
            summed[WARMTH[label]] += float(probability)
        predicted[row["path"]] = max(summed, key=summed.__getitem__)
        correct += predicted[row["path"]] == row["coarse"]
    assert reported["coarse_accuracy"] == correct / len(rows)
    assert reported["coarse_accuracy"] >= reported["accuracy"]

    lines = table(run / "predictions.csv")
    assert {line["path"]: line["predicted_coarse"] for line in lines} == predicted
    assert all(line["coarse"] == WARMTH[line["label"]] for line in lines)
    assert all(0.5 <= float(line["coarse_probability"]) <= 1.000001 for line in lines)

    again = trainer("export", run, "--out", tmp_path / "again", "--cache", cache)
    assert again.exit_code == 0, again.output
    assert "coarse accuracy" in again.stdout
    assert read_bundle(tmp_path / "again").metrics_of("model.onnx")["validation"] == reported

    shutil.rmtree(run / "bundle")
    resumed = trainer("resume", run, "--cache", cache, "--json")
    assert json.loads(resumed.stdout)["validation"] == reported


def test_coarse_accuracy_is_computed_after_every_epoch_and_after_a_kill(tmp_path: Path) -> None:
    """The report had a chart for it, but nothing wrote the values."""
    data, recipe, run = write_grouped_csv(tmp_path), tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text("checkpoint_s = 0\n")
    options = ("--coarse-column", "warmth", "--recipe", recipe, "--cache", tmp_path / "cache", *FAST, "--epochs", "4")
    arguments = ("fit", data, *options, "--tensorboard")
    assert trainer(*arguments, "--out", run).exit_code == 0
    _, events = outcome(run)
    epochs = [event for event in events if event["event"] == "epoch"]
    assert len(epochs) == 4
    board = EventAccumulator(str(run / "tensorboard")).Reload()
    for split in ("train", "valid"):
        shown = [event.value for event in board.Scalars(f"coarse_accuracy/{split}")]
        assert shown == pytest.approx([epoch[split]["coarse_accuracy"] for epoch in epochs])
    best = next(epoch for epoch in reversed(epochs) if epoch["best"])
    exported = read_bundle(run / "bundle").metrics_of("model.onnx")["validation"]
    assert best["valid"]["coarse_accuracy"] == exported["coarse_accuracy"]
    assert "coarse accuracy, validation" in (run / "report.html").read_text()

    killed = tmp_path / "killed"
    kill_once_exists(killed / "checkpoints" / "best.safetensors", command(*arguments, "--out", killed), delay_s=0.05)
    assert not (killed / "bundle").exists()
    resumed = trainer("resume", killed, "--cache", tmp_path / "cache", "--device", "cpu")
    assert resumed.exit_code == 0, resumed.stderr
    assert outcome(killed) == outcome(run)


def test_data_that_cannot_have_coarse_labels_is_refused(tmp_path: Path, photos: Path) -> None:
    data, tagged = write_grouped_csv(tmp_path / "csv"), write_tagged_csv(tmp_path / "tagged")
    torn = tmp_path / "csv" / "torn.csv"
    torn.write_text(data.read_text().replace("photos/red/003.jpg,red,warm", "photos/red/003.jpg,red,cool"))
    for arguments, message in (
        ((photos, "--coarse-column", "warmth"), "coarse labels are read from a column, and need a CSV"),
        ((data, "--coarse-column", "heat"), "there is no column 'heat'"),
        (
            (torn, "--coarse-column", "warmth"),
            "the class 'red' has the coarse labels 'warm' (row 26, row 27, row 28 and 8 more) and 'cool' (row 29)",
        ),
        (
            (tagged, "--label-column", "tags", "--label-delimiter", ";", "--coarse-column", "tags"),
            "leave out --coarse-column or --label-delimiter",
        ),
    ):
        result = fit(arguments[0], tmp_path / "run", *arguments[1:])
        assert result.exit_code == 1, result.output
        assert message in error_of(result)
        assert not (tmp_path / "run").exists()
