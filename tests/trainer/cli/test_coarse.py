"""`--coarse-column`: the accuracy of groups of classes beside that of the classes, wherever figures are told."""

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
from tests.support.trainer import table, trainer
from tests.trainer.cli.conftest import FAST
from tests.trainer.run.test_fit import command, kill_once_there_is, outcome


def test_groups_are_told_and_kept_by_export_and_resume(tmp_path: Path) -> None:
    run, cache = tmp_path / "run", tmp_path / "cache"
    data = write_grouped_csv(tmp_path)
    result = trainer("fit", data, "--coarse-column", "warmth", "--out", run, "--cache", cache, *FAST, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)["validation"]
    bundle = read_bundle(run / "bundle")
    assert bundle.metrics["validation"] == told
    assert "| coarse accuracy | " in bundle.card
    assert "The coarse labels (2): cool, warm." in bundle.card
    assert tomllib.loads((run / "recipe.toml").read_text())["data"]["coarse_column"] == "warmth"
    assert {row["label"]: row["group"] for row in table(run / "catalog.csv")} == WARMTH

    # The same once more, from what the bundle answers: probabilities are summed over the classes of a group.
    predictor, right = Predictor(bundle), 0
    rows = [row for row in table(run / "catalog.csv") if row["split"] == "valid"]
    predicted = {}
    for row in rows:
        summed = {"cool": 0.0, "warm": 0.0}
        answer = predictor.predict((tmp_path / row["path"]).read_bytes())
        for label, probability in zip(bundle.spec.classes, answer.probabilities, strict=True):
            summed[WARMTH[label]] += float(probability)
        predicted[row["path"]] = max(summed, key=summed.__getitem__)
        right += predicted[row["path"]] == row["group"]
    assert told["coarse_accuracy"] == right / len(rows)
    assert told["coarse_accuracy"] >= told["accuracy"]

    lines = table(run / "predictions.csv")
    assert {line["path"]: line["predicted_coarse"] for line in lines} == predicted
    assert all(line["coarse"] == WARMTH[line["label"]] for line in lines)
    assert all(0.5 <= float(line["coarse_probability"]) <= 1.000001 for line in lines)

    again = trainer("export", run, "--out", tmp_path / "again", "--cache", cache)
    assert again.exit_code == 0, again.output
    assert "group accuracy" in again.stdout
    assert read_bundle(tmp_path / "again").metrics["validation"] == told

    shutil.rmtree(run / "bundle")
    resumed = trainer("resume", run, "--cache", cache, "--json")
    assert json.loads(resumed.stdout)["validation"] == told


def test_the_accuracy_of_groups_is_measured_after_every_epoch_and_after_a_kill(tmp_path: Path) -> None:
    """The report had a place for its curve, and nothing wrote it."""
    data, recipe, run = write_grouped_csv(tmp_path), tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text("checkpoint_s = 0\n")
    options = ("--coarse-column", "warmth", "--recipe", recipe, "--cache", tmp_path / "cache", *FAST, "--epochs", "4")
    fit = ("fit", data, *options, "--tensorboard")
    assert trainer(*fit, "--out", run).exit_code == 0
    _, events = outcome(run)
    epochs = [event for event in events if event["event"] == "epoch"]
    assert len(epochs) == 4
    for side in ("train", "valid"):
        figures = [epoch[side] for epoch in epochs]
        board = EventAccumulator(str(run / "tensorboard")).Reload()
        shown = [event.value for event in board.Scalars(f"coarse_accuracy/{side}")]
        assert shown == pytest.approx([told["coarse_accuracy"] for told in figures])
    best = next(epoch for epoch in reversed(epochs) if epoch["best"])
    exported = read_bundle(run / "bundle").metrics["validation"]
    assert best["valid"]["coarse_accuracy"] == exported["coarse_accuracy"]
    assert "coarse accuracy, validation" in (run / "report.html").read_text()

    killed = tmp_path / "killed"
    kill_once_there_is(killed / "checkpoints" / "best.safetensors", command(*fit, "--out", killed), delay_s=0.05)
    assert not (killed / "bundle").exists()
    resumed = trainer("resume", killed, "--cache", tmp_path / "cache", "--device", "cpu")
    assert resumed.exit_code == 0, resumed.stderr
    assert outcome(killed) == outcome(run)


def test_what_cannot_have_groups_is_said(tmp_path: Path, photos: Path) -> None:
    data, tagged = write_grouped_csv(tmp_path / "csv"), write_tagged_csv(tmp_path / "tagged")
    torn = tmp_path / "csv" / "torn.csv"
    torn.write_text(data.read_text().replace("photos/red/003.jpg,red,warm", "photos/red/003.jpg,red,cool"))
    for arguments, message in (
        ((photos, "--coarse-column", "warmth"), "groups are read from a column, and need a CSV"),
        ((data, "--coarse-column", "heat"), "there is no column 'heat'"),
        (
            (torn, "--coarse-column", "warmth"),
            "the class 'red' is in 'warm' (row 26, row 27, row 28 and 8 more) and in 'cool' (row 29)",
        ),
        (
            (tagged, "--label-column", "tags", "--label-delimiter", ";", "--coarse-column", "tags"),
            "leave --coarse-column or --label-delimiter out",
        ),
    ):
        result = trainer("fit", *arguments, "--out", tmp_path / "run", "--cache", tmp_path / "cache", *FAST)
        assert result.exit_code == 1, result.output
        assert message in result.stderr
        assert not (tmp_path / "run").exists()
