"""`lr-find` and `fit --lr` by the command line."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
import safetensors.torch
from PIL import Image

from tests.support.photos import write_folder
from tests.support.trainer import trainer
from tests.trainer.run.test_fit import command, kill_once_there_is, outcome
from trainer.model.tiny import Tiny
from trainer.recipe import FinetuneRecipe

FAST = ("--backbone", "tiny", "--epochs", "2", "--batch-size", "8", "--device", "cpu")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Some weights for the tiny backbone: what comes with weights has a head stage."""
    path = tmp_path / "tiny.safetensors"
    safetensors.torch.save_file(Tiny().state_dict(), path)
    return path


def fit_in(folder: Path) -> tuple[str | Path, ...]:
    """A fit of the photos of a folder, which saves a state after every step."""
    recipe = folder / "recipe.toml"
    recipe.write_text("checkpoint_s = 0\n")
    return ("fit", folder / "photos", "--recipe", recipe, "--cache", folder / "cache", *FAST, "--lr", "auto")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("kills")
    write_folder(folder / "photos")
    assert trainer(*fit_in(folder), "--out", folder / "run").exit_code == 0
    return folder / "run"


def test_without_the_second_stage_the_rate_is_that_of_the_head(
    photos: Path, tmp_path: Path, cache: Path, weights: Path
) -> None:
    """It was written down for a stage that never ran, and the head learned at its default."""
    options = ("fit", photos, "--cache", cache, "--backbone", "tiny", "--device", "cpu", "--weights", weights)
    head = ("--epochs", "0", "--head-epochs", "2")
    result = trainer(*options, *head, "--lr", "0.5", "--mixup", "0.4", "--freeze", "early", "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "warning: --mixup, --freeze: of no effect, as --epochs 0 trains the head only" in result.stderr
    recipe = tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())
    assert recipe["head"]["rate"] == 0.5
    assert recipe["finetune"]["rate"] == FinetuneRecipe().lr
    ranged = trainer(*options, *head, "--lr", "1e-3:1e-2", "--out", tmp_path / "other")
    assert ranged.exit_code == 2
    assert "with --epochs 0 the head alone learns; give one rate" in ranged.stderr


def test_both_stages_are_swept_told_and_drawn(photos: Path, tmp_path: Path, cache: Path, weights: Path) -> None:
    folder = tmp_path / "found"
    arguments = (photos, "--cache", cache, *FAST, "--head-epochs", "5", "--weights", weights)
    before = sorted(path.name for path in photos.rglob("*"))
    told = trainer("lr-find", *arguments, "--out", folder)
    assert told.exit_code == 0, told.output
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
    for word in ("head: sweeps of", "whole: sweeps of", "valley", "steepest", "minimum / 10", "suggestion", "next: "):
        assert word in told.stdout
    assert ("disagree by more than 3x" in told.stdout) == (not all(stage["agree"] for stage in found.values()))
    with Image.open(folder / "lr_find.png") as picture:
        assert min(picture.size) > 1000

    again = trainer("lr-find", *arguments, "--out", folder)
    assert again.exit_code == 2
    assert "lr_find.json exists already; nothing is overwritten" in again.stderr


def test_json_is_the_same_object_and_without_out_nothing_is_written(photos: Path, tmp_path: Path, cache: Path) -> None:
    places = sorted(path.name for path in tmp_path.iterdir())
    told = trainer("lr-find", photos, "--cache", cache, *FAST, "--json")
    assert told.exit_code == 0, told.output
    assert set(json.loads(told.stdout)) == {"finetune"}  # random weights have no head stage
    assert sorted(path.name for path in tmp_path.iterdir() if path != cache) == places


def test_what_cannot_be_swept_or_written_is_said_at_once(photos: Path, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for arguments, message, code in (
        (("--epochs", "0"), "nothing would be trained", 2),
        (("--out", photos / "found"), "among the images; give --out a folder elsewhere", 2),
        (("--out", tmp_path / "file"), "file exists already; nothing is overwritten", 2),
    ):
        result = trainer("lr-find", photos, "--cache", cache, *FAST, *arguments)
        assert result.exit_code == code, result.output
        assert message in result.stderr
        assert "sweep" not in result.stderr
    assert (tmp_path / "file").read_text() == "precious"


def test_fit_with_found_rates_records_them(photos: Path, tmp_path: Path, cache: Path, weights: Path) -> None:
    run = tmp_path / "run"
    options = ("--cache", cache, *FAST, "--head-epochs", "5", "--weights", weights)
    result = trainer("fit", photos, *options, "--lr", "auto", "--out", run)
    assert result.exit_code == 0, result.output
    found = json.loads((run / "lr_find.json").read_text())
    assert (run / "lr_find.png").is_file()
    assert set(found) == {"head", "finetune"}
    assert "whole: learning rate " in result.stderr
    written = tomllib.loads((run / "recipe.toml").read_text())
    assert written["auto_lr"]
    events = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    rates = [event["rate"] for event in events if event["event"] == "step"]
    assert max(rates) == pytest.approx(found["finetune"]["suggestion"], rel=0.1)  # few steps miss the peak itself


@pytest.mark.parametrize(
    ("part", "delay_s"), [("catalog.csv", 0.3), ("lr_find.json", 0.0), ("checkpoints/last.safetensors", 0.02)]
)
def test_a_kill_in_or_after_the_sweep_gives_the_same_weights(uninterrupted: Path, part: str, delay_s: float) -> None:
    run = uninterrupted.parent / f"killed_{Path(part).stem}"
    kill_once_there_is(run / part, command(*fit_in(uninterrupted.parent), "--out", run), delay_s=delay_s)
    assert not (run / "bundle").exists()
    swept = part != "catalog.csv"
    found = (run / "lr_find.json").read_bytes() if swept else b""
    resumed = trainer("resume", run, "--cache", run.parent / "cache", "--device", "cpu")
    assert resumed.exit_code == 0, resumed.stderr
    assert ("sweep ..." in resumed.stderr) != swept
    assert (run / "lr_find.json").read_bytes() == found or not swept
    assert outcome(run) == outcome(uninterrupted)
    assert (run / "lr_find.png").is_file()


def test_a_run_whose_rate_is_gone_is_not_swept_again(uninterrupted: Path, tmp_path: Path) -> None:
    """Its network is no more what it was before the second stage."""
    run = tmp_path / "run"
    shutil.copytree(uninterrupted, run)
    shutil.rmtree(run / "bundle")
    (run / "lr_find.json").unlink()
    result = trainer("resume", run, "--cache", uninterrupted.parent / "cache")
    assert result.exit_code == 1
    assert "with the learning rate of this run is gone; put it back, or fit anew" in result.stderr


def test_a_number_goes_before_a_recipe_that_asks_for_auto(photos: Path, tmp_path: Path, cache: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("auto_lr = true\n")
    run = tmp_path / "run"
    options = ("--recipe", recipe, "--cache", cache, *FAST, "--epochs", "1", "--lr", "0.02")
    assert trainer("fit", photos, *options, "--out", run).exit_code == 0
    assert not (run / "lr_find.json").exists()
    assert not tomllib.loads((run / "recipe.toml").read_text())["auto_lr"]


@pytest.mark.parametrize("text", ["fast", "1e-3:", "1:2:3", "1e-3:1e-5"])
def test_a_rate_that_is_none_is_wrong_use(photos: Path, tmp_path: Path, text: str) -> None:
    result = trainer("fit", photos, "--out", tmp_path / "run", "--lr", text)
    assert result.exit_code == 2
    assert text in result.stderr


def test_a_range_of_rates(photos: Path, tmp_path: Path, cache: Path) -> None:
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *FAST, "--lr", "1e-4:1e-2", "--out", run).exit_code == 0
    written = (run / "recipe.toml").read_text()
    assert "rate = 0.01" in written
    assert "lr_spread = 100.0" in written
