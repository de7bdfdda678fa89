"""What a command prints when it is done."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.trainer import fit, trainer
from trainer.catalog import Row
from trainer.cli.output import evaluation_json, evaluation_text, metrics_text, written
from trainer.run import Evaluation, RunFolder
from trainer.training.history import read_history

METRICS = {"loss": 0.25, "accuracy": 0.8, "macro_f1": 0.75}
BROKEN = Row(path="red/1.jpg", labels=frozenset({"red"}), split="test")


def evaluation(**values: object) -> Evaluation:
    given = {"digest": "sha256:0", "images": 10, "summary": "ten", "metrics": METRICS, "interval": (0.5, 0.9)}
    return Evaluation(**{**given, "calibration": None, "unreadable": {}, "warnings": (), **values})  # type: ignore[arg-type]


def test_metrics_are_one_line() -> None:
    assert metrics_text("validation", {"images": 3, **METRICS}) == (
        "validation (3 images): loss 0.2500, accuracy 0.8000, macro f1 0.7500"
    )


def test_a_plot_is_named_if_it_was_written() -> None:
    assert written(None, "lr_find.png") == []
    assert written(Path("found"), "lr_find.png") == ["plot: found/lr_find.png"]


def test_an_evaluation_in_lines() -> None:
    assert evaluation_text(evaluation()).splitlines() == [
        "test (10 images): loss 0.2500, accuracy 0.8000, macro f1 0.7500",
        "95 % interval of the accuracy: 0.5000 to 0.9000",
    ]
    lines = evaluation_text(
        evaluation(interval=None, unreadable={BROKEN: "No image."}, warnings=("Few.",))
    ).splitlines()
    assert lines == [
        "warning: Few.",
        "left out: red/1.jpg: No image.",
        "test (10 images): loss 0.2500, accuracy 0.8000, macro f1 0.7500",
    ]


def test_an_evaluation_says_what_was_answered() -> None:
    doubts = {
        "abstention": {"answered": 8, "right": 7, "unknown": 1, "unsure": 1},
        "sets": {"right": 9, "mean_size": 1.25},
    }
    assert evaluation_text(evaluation(doubts=doubts)).splitlines()[1:3] == [
        "answered: 8 of 10 images, 7 of them right (87.5%); 1 unknown, 1 unsure",
        "sets: 9 of 10 have the right label (90.0%), with 1.25 labels on average",
    ]
    none = {"abstention": {"answered": 0, "right": 0, "unknown": 0, "unsure": 10}}
    assert "answered: 0 of 10 images; 0 unknown, 10 unsure" in evaluation_text(evaluation(doubts=none))
    assert evaluation_json(evaluation(doubts=doubts))["sets"] == {"right": 9, "mean_size": 1.25}


def test_an_evaluation_as_json() -> None:
    value = evaluation_json(evaluation(unreadable={BROKEN: "No image."}, warnings=("Few.",)))
    assert json.loads(json.dumps(value)) == {
        "digest": "sha256:0",
        "images": "ten",
        "test": {"images": 10, **METRICS},
        "accuracy_interval": [0.5, 0.9],
        "unreadable": {"red/1.jpg": "No image."},
        "warnings": ["Few."],
    }
    assert "accuracy_interval" not in evaluation_json(evaluation(interval=None))


def test_a_fit_in_lines_and_as_json(photos: Path, tmp_path: Path) -> None:
    (photos / "red" / "broken.jpg").write_text("not an image")
    text, run = fit(photos, tmp_path / "text"), RunFolder(tmp_path / "text")
    assert text.exit_code == 0, text.output
    lines = text.stdout.splitlines()
    assert lines[0].startswith("left out: red/broken.jpg: ")
    assert lines[1].startswith("stages: finetune ")
    assert lines[2].startswith("validation (7 images): ")
    assert lines[3].startswith("diagnosis:")
    assert lines[-3].startswith(f"bundle: {run.bundle} (sha256:")
    assert lines[-2] == f"report: {run.report}"
    assert lines[-1] == f"next:   fieldguide serve {run.bundle}"

    result = fit(photos, tmp_path / "json", "--json")
    value = json.loads(result.stdout)
    assert set(value) == {
        "run", "bundle", "report", "digest", "images", "validation", "kept_epoch", "diagnosis", "stages_s",
        "unreadable", "warnings", "decisions",
    }  # fmt: skip
    kept = read_history(RunFolder(tmp_path / "json").history).kept
    assert kept is not None
    assert value["kept_epoch"] == kept.number
    assert value["diagnosis"] == json.loads((tmp_path / "json" / "diagnosis.json").read_text())
    assert value["unreadable"].keys() == {"red/broken.jpg"}


def test_a_fit_whose_head_was_kept_says_so_first_and_in_its_report(photos: Path, tmp_path: Path) -> None:
    """Three steps with so high a learning rate ruin what the head stage reached."""
    network = ("--backbone", "efficientnet_lite0", "--size", "32")
    few_steps = ("--epochs", "1", "--batch-size", "10", "--lr", "4e-3")
    result = trainer("fit", photos, "--out", tmp_path / "run", *network, *few_steps)
    assert result.exit_code == 0, result.output
    sentence = (
        "The one epoch of fine-tuning was not better than the head stage before, so the weights of the head stage were "
        "kept."
    )
    assert result.stdout.splitlines()[0] == sentence
    headline = (tmp_path / "run" / "report.html").read_text(encoding="utf-8").split("</section>")[0]
    assert sentence in headline


def test_export_prints_the_bundle_and_its_validation_metrics(photos: Path, tmp_path: Path, cache: Path) -> None:
    run, target = tmp_path / "run", tmp_path / "bundle.zip"
    assert fit(photos, run).exit_code == 0
    value = json.loads(trainer("export", run, "--out", tmp_path / "first", "--cache", cache, "--json").stdout)
    assert set(value) == {"bundle", "digest", "models", "oci", "validation"}
    assert value["oci"] is None
    assert value["models"]["model.onnx"]["temperature"] > 0
    assert value["models"]["model.onnx"]["set"]["reason"].endswith(" more")
    lines = trainer("export", run, "--out", target, "--cache", cache).stdout.splitlines()
    assert lines[0] == str(target)
    assert lines[1].startswith("sha256:")
    assert lines[2] == metrics_text("validation", value["validation"])
