"""A run that is killed and resumed gets the very weights that it would have had."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import safetensors.torch

from service.bundle import read_bundle
from tests.support.photos import draw
from tests.support.runs import kill_after, kill_once_exists, outcome
from tests.support.trainer import command, error_of, trainer
from trainer.model import load_backbone
from trainer.training.schedule import OneCycle

OPTIONS = ("--backbone", "tiny", "--epochs", "6", "--batch-size", "4", "--lr", "0.02", "--device", "cpu")

# Everything that has to be kept from one process to the next.
EVERYTHING = (
    "--sizes", "16:4,32:2", "--freeze", "early:3,late:1", "--mixup", "0.4", "--cutmix", "1", "--balance", "sampler",
    "--precision", "fp16", "--clip-norm", "1", "--accumulate", "2", "--patience", "4",
)  # fmt: skip


@pytest.mark.parametrize(
    ("part", "delay_s", "more"),
    [
        ("recipe.toml", 0.0, ()),
        ("catalog.csv", 0.0, ()),
        ("checkpoints/last.safetensors", 0.02, ()),
        ("checkpoints/best.safetensors", 0.1, ()),
        ("checkpoints/best.safetensors", 0.1, EVERYTHING),
    ],
)
def test_kill_and_resume_give_the_same_weights(
    photos: Path, tmp_path: Path, cache: Path, every_step: Path, part: str, delay_s: float, more: tuple[str, ...]
) -> None:
    fit = ("fit", photos, "--recipe", every_step, "--cache", cache, *OPTIONS, *more)
    assert trainer(*fit, "--out", tmp_path / "whole").exit_code == 0
    run = tmp_path / "killed"
    kill_once_exists(run / part, command(*fit, "--out", run), delay_s=delay_s)
    assert not (run / "bundle").exists()
    resumed = trainer("resume", run, "--cache", cache, "--device", "cpu")
    assert resumed.exit_code == 0, resumed.stderr
    assert outcome(run) == outcome(tmp_path / "whole")
    assert read_bundle(run / "bundle").models == read_bundle(tmp_path / "whole" / "bundle").models


def test_a_run_continues_without_the_file_of_its_first_weights(
    photos: Path, tmp_path: Path, cache: Path, every_step: Path
) -> None:
    """The checkpoint has them all, yet the file, or the download, was needed again."""
    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(load_backbone("tiny", seed=1).body.state_dict(), weights)
    every_step.write_text(f"{every_step.read_text()}weights = {os.path.relpath(weights)!r}\n")
    fit = ("fit", photos, "--recipe", every_step, "--cache", cache, *OPTIONS)
    assert trainer(*fit, "--out", tmp_path / "whole").exit_code == 0
    run = tmp_path / "killed"
    kill_once_exists(run / "checkpoints" / "last.safetensors", command(*fit, "--out", run), delay_s=0.05)
    assert f'weights = "{weights}"' in (run / "recipe.toml").read_text()  # wherever it is resumed from
    weights.unlink()
    resumed = trainer("resume", run, "--cache", cache, "--device", "cpu")
    assert resumed.exit_code == 0, resumed.stderr
    assert outcome(run) == outcome(tmp_path / "whole")


@pytest.mark.slow
def test_ten_kills_at_random_moments(photos: Path, tmp_path: Path, cache: Path, every_step: Path) -> None:
    """Kill a run with kill -9 again and again until it is finished; ten runs."""
    fit = ("fit", photos, "--recipe", every_step, "--cache", cache, *OPTIONS, "--epochs", "40")
    assert trainer(*fit, "--out", tmp_path / "whole").exit_code == 0
    moments = random.Random(0)
    for number in range(10):
        run = tmp_path / f"killed{number}"
        kills = 0
        while not (run / "bundle").exists():
            started = (run / "recipe.toml").exists()
            arguments = (
                command("resume", run, "--cache", cache, "--device", "cpu") if started else command(*fit, "--out", run)
            )
            kills += kill_after(moments.uniform(2.0, 12.0), arguments)
        assert outcome(run) == outcome(tmp_path / "whole")
        print(f"run {number}: {kills} kills")  # noqa: T201


def test_what_cannot_be_resumed_is_refused(photos: Path, tmp_path: Path, cache: Path) -> None:
    nothing = trainer("resume", tmp_path / "nothing")
    assert nothing.exit_code == 2
    assert "is not a run: it has no recipe.toml" in error_of(nothing)
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", tmp_path / "run").exit_code == 0
    finished = trainer("resume", tmp_path / "run", "--cache", cache)
    assert finished.exit_code == 2
    assert "is finished: its bundle is" in error_of(finished)


def test_a_run_that_another_process_is_training_is_left_alone(
    photos: Path, tmp_path: Path, cache: Path, every_step: Path
) -> None:
    run = tmp_path / "run"
    arguments = command(
        "fit", photos, "--recipe", every_step, "--cache", cache, *OPTIONS, "--epochs", "10000", "--out", run
    )
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        while not (run / "checkpoints" / "last.safetensors").exists():
            time.sleep(0.01)
        second = trainer("resume", run, "--cache", cache)
        process.kill()
    assert second.exit_code == 2
    assert f"another process is working on {run}" in error_of(second)


def test_a_bundle_that_was_half_written_is_written_again(photos: Path, tmp_path: Path, cache: Path) -> None:
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run).exit_code == 0
    shutil.move(run / "bundle", run / ".bundle.12345678.partial")
    (run / ".bundle.12345678.partial" / "model.onnx").unlink()
    assert trainer("resume", run, "--cache", cache).exit_code == 0
    assert read_bundle(run / "bundle").spec.classes == ("blue", "green", "red")
    assert not list(run.glob(".*"))


def test_a_resumed_run_still_knows_the_classes_that_were_left_out(photos: Path, tmp_path: Path, cache: Path) -> None:
    """None of their images could be decoded. The diagnosis forgot them on resume."""
    (photos / "odd").mkdir()
    (photos / "odd" / "one.jpg").write_bytes(b"no image")
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run).exit_code == 0
    assert (run / "unreadable.csv").read_text().splitlines()[1].startswith("odd/one.jpg,odd,train,")
    before = (run / "diagnosis.json").read_text()
    assert "odd" in before
    shutil.rmtree(run / "bundle")
    (run / "diagnosis.json").unlink()
    assert trainer("resume", run, "--cache", cache).exit_code == 0
    assert json.loads((run / "diagnosis.json").read_text()) == json.loads(before)


def test_a_run_whose_list_of_unreadable_files_has_no_labels_continues(
    photos: Path, tmp_path: Path, cache: Path
) -> None:
    (photos / "red" / "bad.jpg").write_bytes(b"no image")
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run).exit_code == 0
    (run / "unreadable.csv").write_text("path,reason\nred/bad.jpg,It is none.\n")
    shutil.rmtree(run / "bundle")
    result = trainer("resume", run, "--cache", cache, "--json")
    assert json.loads(result.stdout)["unreadable"] == {"red/bad.jpg": "It is none."}


def stop_early(photos: Path, run: Path, cache: Path, every_step: Path) -> None:
    """A run that was killed once its fine-tuning had started."""
    arguments = command(
        "fit", photos, "--recipe", every_step, "--cache", cache, *OPTIONS, "--epochs", "10000", "--out", run
    )
    kill_once_exists(run / "checkpoints" / "last.safetensors", arguments, delay_s=0)


def test_images_that_changed_are_named_on_resume(photos: Path, tmp_path: Path, cache: Path, every_step: Path) -> None:
    """Positions in the data shifted silently."""
    run = tmp_path / "run"
    stop_early(photos, run, cache, every_step)
    draw("red", 999).save(photos / "red" / "003.jpg")
    (photos / "blue" / "004.jpg").write_bytes(b"")
    result = trainer("resume", run, "--cache", cache)
    assert result.exit_code == 2
    assert f"2 images have changed since {run} was started (blue/004.jpg, red/003.jpg)" in error_of(result)


def test_a_run_is_exported_and_resumed_with_images_that_were_moved(photos: Path, tmp_path: Path, cache: Path) -> None:
    run, moved = tmp_path / "run", tmp_path / "moved"
    (photos / "red" / "broken.jpg").write_text("no image")
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run).exit_code == 0
    photos.rename(moved)
    result = trainer("export", run, "--out", tmp_path / "bundle", "--cache", cache, "--root", moved)
    assert result.exit_code == 0, result.stderr
    first, second = read_bundle(run / "bundle"), read_bundle(tmp_path / "bundle")
    assert second.metrics == first.metrics
    assert "1 files could not be decoded" in second.card
    assert second.card.replace(second.manifest.created[:10], "") == first.card.replace(first.manifest.created[:10], "")
    shutil.rmtree(run / "bundle")
    assert trainer("resume", run, "--cache", cache, "--root", moved).exit_code == 0


def test_a_run_among_the_images_is_refused(photos: Path, cache: Path) -> None:
    """The golden images of its bundle became a class of the next fit."""
    result = trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", photos / "run")
    assert result.exit_code == 2
    assert "among the images; give a folder elsewhere for --out" in error_of(result)
    assert not (photos / "run").exists()


def test_the_card_names_only_stages_that_ran(photos: Path, tmp_path: Path, cache: Path) -> None:
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run).exit_code == 0
    card = read_bundle(run / "bundle").card
    assert "frozen backbone" not in card
    assert "6 epochs of fine-tuning" in card


@pytest.mark.parametrize("last_step", [3, 20])
def test_after_a_failure_the_best_epoch_until_then_can_be_exported(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, last_step: int
) -> None:
    """If there is one: an epoch has eight steps."""

    class Exploding(OneCycle):
        def at(self, step: int) -> tuple[float, float]:
            return 1e-3 if step < last_step else 1e30, 0.9

    monkeypatch.setattr("trainer.training.finetune.OneCycle", Exploding)
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    failed = trainer("fit", photos, "--out", run, "--cache", cache, *OPTIONS)
    assert failed.exit_code == 1
    error = error_of(failed)
    assert "the loss became " in error
    hint = f"the best epoch until then can be exported with fieldguide export {run} --out BUNDLE"
    assert error.endswith(hint) == (last_step > 8)
    exported = trainer("export", run, "--out", bundle, "--cache", cache)
    assert (exported.exit_code == 0) == (last_step > 8), exported.stderr
    assert bundle.exists() == (last_step > 8)
