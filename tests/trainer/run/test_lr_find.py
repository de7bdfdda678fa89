"""`lr-find` and `fit --lr auto` on the command line."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
import safetensors.torch
from PIL import Image

from tests.support.photos import write_folder
from tests.support.runs import kill_once_exists, outcome
from tests.support.trainer import command, error_of, trainer
from trainer.model.tiny import Tiny

FAST = ("--backbone", "tiny", "--epochs", "2", "--batch-size", "8", "--device", "cpu")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights for the tiny backbone: with pretrained weights there is a head stage."""
    path = tmp_path / "tiny.safetensors"
    safetensors.torch.save_file(Tiny().state_dict(), path)
    return path


def fit_in(folder: Path) -> tuple[str | Path, ...]:
    """A fit of the photos in a folder that saves a checkpoint after every step."""
    recipe = folder / "recipe.toml"
    recipe.write_text("checkpoint_s = 0\n")
    return ("fit", folder / "photos", "--recipe", recipe, "--cache", folder / "cache", *FAST, "--lr", "auto")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was not interrupted."""
    folder = tmp_path_factory.mktemp("kills")
    write_folder(folder / "photos")
    assert trainer(*fit_in(folder), "--out", folder / "run").exit_code == 0
    return folder / "run"


def test_both_stages_are_swept_printed_and_plotted(photos: Path, tmp_path: Path, cache: Path, weights: Path) -> None:
    folder = tmp_path / "found"
    arguments = (photos, "--cache", cache, *FAST, "--head-epochs", "5", "--weights", weights)
    before = sorted(path.name for path in photos.rglob("*"))
    result = trainer("lr-find", *arguments, "--out", folder)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in photos.rglob("*")) == before
    assert sorted(path.name for path in folder.iterdir()) == ["lr_find.json", "lr_find.png"]
    found = json.loads((folder / "lr_find.json").read_text())
    assert set(found) == {"head", "finetune"}
    for stage in found.values():
        assert len(stage["lrs"]) == len(stage["losses"]) == len(stage["lowest"]) == len(stage["highest"]) > 20
        assert stage["lrs"] == sorted(stage["lrs"])
        suggestions = stage["suggestions"].values()
        assert set(stage["suggestions"]) == {"valley", "steepest", "minimum_tenth"}
        assert stage["agree"] == (max(suggestions) <= 3 * min(suggestions))
        assert 1e-7 <= stage["suggestion"] <= 10
    for word in (
        "head: ",
        "finetune: ",
        "; sweeps of",
        "valley",
        "steepest",
        "minimum / 10",
        "suggestion",
        "next: ",
    ):
        assert word in result.stdout
    assert ("disagree by more than 3x" in result.stdout) == (not all(stage["agree"] for stage in found.values()))
    assert ("--lr auto" in result.stdout) == ("not clear; keep the default learning rate" not in result.stdout)
    with Image.open(folder / "lr_find.png") as picture:
        assert min(picture.size) > 1000

    again = trainer("lr-find", *arguments, "--out", folder)
    assert again.exit_code == 2
    assert "lr_find.json exists already, and nothing is overwritten; give another name for --out" in error_of(again)


def test_json_is_the_same_object_and_without_out_nothing_is_written(photos: Path, tmp_path: Path, cache: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    result = trainer("lr-find", photos, "--cache", cache, *FAST, "--json")
    assert result.exit_code == 0, result.output
    assert set(json.loads(result.stdout)) == {"finetune"}  # random weights have no head stage
    assert sorted(path.name for path in tmp_path.iterdir() if path != cache) == before


def test_what_cannot_be_swept_or_written_is_refused_at_once(photos: Path, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for arguments, message, code in (
        (("--epochs", "0"), "nothing would be trained", 2),
        (("--out", photos / "found"), "among the images; give a folder elsewhere for --out", 2),
        (("--out", tmp_path / "file"), "file exists already, and nothing is overwritten", 2),
    ):
        result = trainer("lr-find", photos, "--cache", cache, *FAST, *arguments)
        assert result.exit_code == code, result.output
        assert message in error_of(result)
        assert "sweep" not in result.stderr
    assert (tmp_path / "file").read_text() == "precious"


def test_fit_uses_and_records_the_learning_rates_that_it_finds(
    photos: Path, tmp_path: Path, cache: Path, weights: Path
) -> None:
    run = tmp_path / "run"
    options = ("--cache", cache, *FAST, "--head-epochs", "5", "--weights", weights)
    result = trainer("fit", photos, *options, "--lr", "auto", "--out", run)
    assert result.exit_code == 0, result.output
    found = json.loads((run / "lr_find.json").read_text())
    assert (run / "lr_find.png").is_file()
    assert set(found) == {"head", "finetune"}
    assert "finetune: learning rate " in result.stderr
    written = tomllib.loads((run / "recipe.toml").read_text())
    assert written["auto_lr"]
    events = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    lrs = [event["lr"] for event in events if event["event"] == "step"]
    assert max(lrs) == pytest.approx(found["finetune"]["suggestion"], rel=0.1)  # few steps miss the peak itself


@pytest.mark.parametrize(
    ("part", "delay_s"), [("catalog.csv", 0.3), ("lr_find.json", 0.0), ("checkpoints/last.safetensors", 0.02)]
)
def test_a_kill_during_or_after_the_sweep_gives_the_same_weights(
    uninterrupted: Path, part: str, delay_s: float
) -> None:
    run = uninterrupted.parent / f"killed_{Path(part).stem}"
    kill_once_exists(run / part, command(*fit_in(uninterrupted.parent), "--out", run), delay_s=delay_s)
    assert not (run / "bundle").exists()
    swept = part != "catalog.csv"
    found = (run / "lr_find.json").read_bytes() if swept else b""
    resumed = trainer("resume", run, "--cache", run.parent / "cache", "--device", "cpu")
    assert resumed.exit_code == 0, resumed.stderr
    assert ("learning rate sweep" in resumed.stderr) != swept
    assert (run / "lr_find.json").read_bytes() == found or not swept
    assert outcome(run) == outcome(uninterrupted)
    assert (run / "lr_find.png").is_file()


def test_a_run_whose_lr_find_json_is_gone_is_not_swept_again(uninterrupted: Path, tmp_path: Path) -> None:
    """Its network is not what it was before fine-tuning any more."""
    run = tmp_path / "run"
    shutil.copytree(uninterrupted, run)
    shutil.rmtree(run / "bundle")
    (run / "lr_find.json").unlink()
    result = trainer("resume", run, "--cache", uninterrupted.parent / "cache")
    assert result.exit_code == 1
    assert "with the learning rate of this run is gone; put it back, or start a new run" in error_of(result)
