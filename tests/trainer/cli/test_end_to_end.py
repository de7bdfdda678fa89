"""From photos to a bundle on the command line; nothing of the user's is changed."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from service.bundle import read_bundle
from service.predictor import Predictor
from tests.support.photos import COLOURS, draw, write_folder, write_tagged_csv
from tests.support.runs import tree
from tests.support.trainer import error_of, fit, table, trainer


def test_fit_writes_a_bundle_that_predicts_and_changes_nothing_of_the_users(photos: Path, run: Path) -> None:
    (photos / "blue" / "notes.jpg").write_text("not an image")
    before = tree(photos)
    result = fit(photos, run, "--json", "--name", "stripes")
    assert result.exit_code == 0, result.output
    assert tree(photos) == before

    summary = json.loads(result.stdout)
    assert list(summary["unreadable"]) == ["blue/notes.jpg"]
    assert summary["stages_s"]["finetune"] > 0
    bundle = read_bundle(run / "bundle")
    assert summary["digest"] == bundle.digest
    assert bundle.spec.classes == ("blue", "green", "red")
    assert bundle.manifest.name == "stripes"
    predictor = Predictor(bundle)

    rows = table(run / "catalog.csv")
    valid = [row for row in rows if row["split"] == "valid"]
    assert {row["split"] for row in rows} == {"train", "valid"}
    labels = {row["path"]: predictor.predict((photos / row["path"]).read_bytes()).best.label for row in valid}
    accuracy = sum(labels[row["path"]] == row["label"] for row in valid) / len(valid)
    assert bundle.metrics_of("model.onnx")["validation"]["accuracy"] == accuracy
    assert bundle.metrics_of("model.onnx")["validation"]["images"] == len(valid)

    predictions = table(run / "predictions.csv")
    assert {row["path"]: row["predicted"] for row in predictions} == labels
    losses = [float(row["loss"]) for row in predictions]
    assert losses == sorted(losses, reverse=True)

    events = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    temperature = bundle.spec.models["model.onnx"].temperature
    assert temperature != 1
    assert f"({temperature})" in bundle.card
    assert bundle.metrics_of("model.onnx")["validation"]["loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-4)
    assert [event["epoch"] for event in events if event["event"] == "epoch"] == [1, 2]
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    assert recipe["finetune"]["epochs"] == 2
    assert recipe["data"]["path"] == str(photos)
    assert "stripes" in bundle.card
    assert sorted(path.name for path in run.iterdir()) == [
        "bundle", "catalog.csv", "checkpoints", "diagnosis.json", "history.jsonl", "predictions.csv", "recipe.toml",
        "report.html", "unreadable.csv",
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_split_and_the_same_weights(photos: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert fit(photos, tmp_path / name, "--seed", "5").exit_code == 0
    assert fit(photos, tmp_path / "third", "--seed", "6").exit_code == 0
    catalogs, weights = (
        [(tmp_path / name / part).read_bytes() for name in ("first", "second", "third")]
        for part in ("catalog.csv", "checkpoints/best.safetensors")
    )
    assert catalogs[0] == catalogs[1] != catalogs[2]
    assert weights[0] == weights[1] != weights[2]


def test_every_option_of_training_ends_in_the_recipe(photos: Path, run: Path) -> None:
    options = {
        "sizes": "16:1,32:1", "freeze": "early:1", "mixup": 0.2, "cutmix": 1.0, "patience": 5, "clip_norm": 1.0,
        "accumulate": 2, "balance": "loss", "precision": "bf16",
    }  # fmt: skip
    given = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    assert fit(photos, run, *given).exit_code == 0
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    assert recipe["finetune"]["epochs"] == 2
    assert {name: recipe["finetune"].get(name, recipe.get(name)) for name in options} == options


def test_sizes_give_the_epochs_even_if_a_recipe_has_others(photos: Path, run: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[finetune]\nepochs = 5\nbatch_size = 8\n")
    arguments = ("--backbone", "tiny", "--device", "cpu", "--cache", tmp_path / "cache", "--sizes", "16:1")
    assert trainer("fit", photos, "--out", run, "--recipe", recipe, *arguments).exit_code == 0
    assert tomllib.loads((run / "recipe.toml").read_text())["finetune"]["epochs"] == 1


def test_export_writes_the_same_model_again_as_a_zip(photos: Path, run: Path, tmp_path: Path) -> None:
    assert fit(photos, run).exit_code == 0
    result = trainer(
        "export", run, "--out", tmp_path / "again.zip", "--cache", tmp_path / "cache", "--golden", "validation",
        "--version", "2", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    first, second = read_bundle(run / "bundle"), read_bundle(tmp_path / "again.zip")
    assert second.manifest.version == "2"
    assert second.metrics_of("model.onnx")["validation"] == first.metrics_of("model.onnx")["validation"]
    assert second.models == first.models
    image = (photos / "red" / "003.jpg").read_bytes()
    assert Predictor(second).predict(image).best == Predictor(first).predict(image).best


def test_multilabel(tmp_path: Path, run: Path) -> None:
    tagged = write_tagged_csv(tmp_path / "tagged", images=64)
    options = ("--label-column", "tags", "--label-delimiter", ";", "--epochs", "12", "--json")
    result = fit(tagged, run, *options)
    assert result.exit_code == 0, result.output
    metrics = json.loads(result.stdout)["validation"]
    assert set(metrics) == {"images", "loss", "macro_f1", "mean_average_precision", "micro_f1"}
    assert metrics["micro_f1"] > 0.6
    bundle = read_bundle(run / "bundle")
    assert bundle.spec.task == "multilabel"
    assert len(bundle.spec.models["model.onnx"].thresholds) == 3
    predictor = Predictor(bundle)
    rows = [row for row in table(run / "catalog.csv") if row["split"] == "valid"]
    correct = predicted = true = 0
    for row in rows:
        labels = {label.label for label in predictor.predict((tagged.parent / row["path"]).read_bytes()).labels}
        truth = set(filter(None, row["label"].split(";")))
        correct, predicted, true = correct + len(labels & truth), predicted + len(labels), true + len(truth)
    assert metrics["micro_f1"] == pytest.approx(2 * correct / (predicted + true))


def test_folders_for_train_and_valid_and_the_valid_option_are_used(tmp_path: Path) -> None:
    split = tmp_path / "split"
    write_folder(split / "train", each=8)
    write_folder(split / "val", each=3, first=50)
    assert fit(split, tmp_path / "run1").exit_code == 0
    rows = table(tmp_path / "run1" / "catalog.csv")
    assert {row["path"].split("/")[0]: row["split"] for row in rows} == {"train": "train", "val": "valid"}
    result = fit(split / "train", tmp_path / "run2", "--valid", split / "val", "--json")
    assert json.loads(result.stdout)["validation"]["images"] == 9


def test_a_class_with_one_image_is_a_warning(photos: Path, run: Path) -> None:
    (photos / "lonely").mkdir()
    draw("red", 999).save(photos / "lonely" / "one.png")
    result = fit(photos, run, "--json")
    assert result.exit_code == 0, result.output
    assert any(
        "single training image" in warning and "lonely" in warning for warning in json.loads(result.stdout)["warnings"]
    )


def test_sample_then_its_recipe(tmp_path: Path) -> None:
    result = trainer("sample", tmp_path / "digits", "--json")
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout)
    assert written["files"] > 1_797
    assert Path(written["recipe"]).is_file()
    again = trainer("sample", tmp_path / "digits")
    assert again.exit_code == 2
    assert "exists already" in error_of(again)


def test_help_needs_no_torch() -> None:
    script = (
        "import sys\n"
        "from trainer.cli import main\n"
        "main(['fit', '--help'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules\n"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "--head-epochs" in process.stdout


def test_the_photos_have_the_classes_of_the_support_module(photos: Path) -> None:
    assert sorted(path.name for path in photos.iterdir()) == sorted(COLOURS)
