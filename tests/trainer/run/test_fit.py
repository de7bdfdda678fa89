"""A run that is killed goes on to the very weights that it would have had."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from service.bundle import GoldenImage, read_bundle
from tests.support.photos import draw
from tests.support.trainer import trainer
from trainer.export import export
from trainer.export.golden import make_golden
from trainer.model import load_backbone

# The number of threads changes the order of sums: what is compared runs on one, as this process does.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
OPTIONS = ("--backbone", "tiny", "--epochs", "6", "--batch-size", "4", "--lr", "0.02", "--device", "cpu")

# All that there is to keep from one process to the next.
EVERYTHING = (
    "--sizes", "16:4,32:2", "--freeze", "early:3,late:1", "--mixup", "0.4", "--cutmix", "1", "--balance", "sampler",
    "--precision", "fp16", "--clip-norm", "1", "--accumulate", "2", "--patience", "4",
)  # fmt: skip


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "trainer", *map(str, arguments)]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Save a state after every step."""
    path = tmp_path / "recipe.toml"
    path.write_text("checkpoint_s = 0\n")
    return path


def outcome(run: Path) -> tuple[bytes, list[dict[str, object]]]:
    """The best weights, and the history without its clock."""
    events = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    for event in events:
        event.pop("seconds", None)
        event.pop("images_per_second", None)
    return (run / "checkpoints" / "best.safetensors").read_bytes(), events


def kill_after(seconds: float, arguments: list[str]) -> bool:
    """Whether it was killed before it ended."""
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ONE_THREAD) as process:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def kill_once_there_is(path: Path, arguments: list[str], *, delay_s: float) -> None:
    """Kill a process some time after it has written a file."""
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ONE_THREAD) as process:
        while process.poll() is None and not path.exists():
            time.sleep(0.005)
        time.sleep(delay_s)
        os.kill(process.pid, signal.SIGKILL)


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
    photos: Path, tmp_path: Path, cache: Path, recipe: Path, part: str, delay_s: float, more: tuple[str, ...]
) -> None:
    fit = ("fit", photos, "--recipe", recipe, "--cache", cache, *OPTIONS, *more)
    assert trainer(*fit, "--out", tmp_path / "finetune").exit_code == 0
    run = tmp_path / "killed"
    kill_once_there_is(run / part, command(*fit, "--out", run), delay_s=delay_s)
    assert not (run / "bundle").exists()
    resumed = trainer("resume", run, "--cache", cache, "--device", "cpu")
    assert resumed.exit_code == 0, resumed.stderr
    assert outcome(run) == outcome(tmp_path / "finetune")
    assert read_bundle(run / "bundle").models == read_bundle(tmp_path / "finetune" / "bundle").models


def test_a_run_goes_on_without_the_weights_that_it_began_with(
    photos: Path, tmp_path: Path, cache: Path, recipe: Path
) -> None:
    """The state has them all, yet the file, or the download, was asked for again."""
    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(load_backbone("tiny", seed=1).body.state_dict(), weights)
    recipe.write_text(f"{recipe.read_text()}weights = {os.path.relpath(weights)!r}\n")
    fit = ("fit", photos, "--recipe", recipe, "--cache", cache, *OPTIONS)
    assert trainer(*fit, "--out", tmp_path / "finetune").exit_code == 0
    run = tmp_path / "killed"
    kill_once_there_is(run / "checkpoints" / "last.safetensors", command(*fit, "--out", run), delay_s=0.05)
    assert f'weights = "{weights}"' in (run / "recipe.toml").read_text()  # wherever it is resumed from
    weights.unlink()
    resumed = trainer("resume", run, "--cache", cache, "--device", "cpu")
    assert resumed.exit_code == 0, resumed.stderr
    assert outcome(run) == outcome(tmp_path / "finetune")


@pytest.mark.slow
def test_ten_kills_at_random_moments(photos: Path, tmp_path: Path, cache: Path, recipe: Path) -> None:
    """kill -9 again and again, in one run, until it is through; ten runs."""
    fit = ("fit", photos, "--recipe", recipe, "--cache", cache, *OPTIONS, "--epochs", "40")
    assert trainer(*fit, "--out", tmp_path / "finetune").exit_code == 0
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
        assert outcome(run) == outcome(tmp_path / "finetune")
        print(f"run {number}: {kills} kills")  # noqa: T201


def test_what_cannot_be_resumed_is_said(photos: Path, tmp_path: Path, cache: Path) -> None:
    nothing = trainer("resume", tmp_path / "nothing")
    assert nothing.exit_code == 2
    assert "is no run: there is no recipe.toml in it" in nothing.stderr
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", tmp_path / "run").exit_code == 0
    finished = trainer("resume", tmp_path / "run", "--cache", cache)
    assert finished.exit_code == 2
    assert "is finished: its bundle is" in finished.stderr


def test_a_run_that_is_at_work_is_left_alone(photos: Path, tmp_path: Path, cache: Path, recipe: Path) -> None:
    run = tmp_path / "run"
    arguments = command(
        "fit", photos, "--recipe", recipe, "--cache", cache, *OPTIONS, "--epochs", "10000", "--out", run
    )
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        while not (run / "checkpoints" / "last.safetensors").exists():
            time.sleep(0.01)
        second = trainer("resume", run, "--cache", cache)
        process.kill()
    assert second.exit_code == 2
    assert "another process is at work" in second.stderr


def test_a_bundle_that_was_half_written_is_written_again(photos: Path, tmp_path: Path, cache: Path) -> None:
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run).exit_code == 0
    shutil.move(run / "bundle", run / ".bundle.12345678.partial")
    (run / ".bundle.12345678.partial" / "model.onnx").unlink()
    assert trainer("resume", run, "--cache", cache).exit_code == 0
    assert read_bundle(run / "bundle").spec.classes == ("blue", "green", "red")
    assert not list(run.glob(".*"))


def test_a_run_that_goes_on_still_knows_the_classes_that_were_lost(photos: Path, tmp_path: Path, cache: Path) -> None:
    """They were left out since none of their images could be decoded; the diagnosis used to forget them on resume."""
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


def test_a_run_whose_list_of_unreadable_files_has_no_labels_goes_on(photos: Path, tmp_path: Path, cache: Path) -> None:
    (photos / "red" / "bad.jpg").write_bytes(b"no image")
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run).exit_code == 0
    (run / "unreadable.csv").write_text("path,reason\nred/bad.jpg,It is none.\n")
    shutil.rmtree(run / "bundle")
    result = trainer("resume", run, "--cache", cache, "--json")
    assert json.loads(result.stdout)["unreadable"] == {"red/bad.jpg": "It is none."}


def test_a_bundle_that_does_not_pass_its_own_checks_is_not_left_behind(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run).exit_code == 0

    def wrong_golden(*arguments: Any, **options: Any) -> list[GoldenImage]:
        found = make_golden(*arguments, **options)
        return [replace(image, probabilities={"model.onnx": 1 - image.probabilities["model.onnx"]}) for image in found]

    monkeypatch.setattr(export, "make_golden", wrong_golden)
    before = sorted(tmp_path.rglob("*"))
    for target in ("bundle", "bundle.zip"):
        result = trainer("export", run, "--out", tmp_path / target, "--cache", cache)
        assert result.exit_code == 1
        assert "did not pass its own checks" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_export_of_a_run_that_has_no_weights_yet_says_how_to_go_on(photos: Path, tmp_path: Path, cache: Path) -> None:
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run).exit_code == 0
    shutil.rmtree(run / "checkpoints")
    result = trainer("export", run, "--out", tmp_path / "bundle", "--cache", cache)
    assert result.exit_code == 2
    assert f"go on with it: python -m trainer resume {run}" in result.stderr


def stopped(photos: Path, run: Path, cache: Path, recipe: Path) -> None:
    """A run that was killed once its second stage had begun."""
    arguments = command(
        "fit", photos, "--recipe", recipe, "--cache", cache, *OPTIONS, "--epochs", "10000", "--out", run
    )
    kill_once_there_is(run / "checkpoints" / "last.safetensors", arguments, delay_s=0)


def test_images_that_changed_are_said_on_resume(photos: Path, tmp_path: Path, cache: Path, recipe: Path) -> None:
    """Positions in the data shifted without a word."""
    run = tmp_path / "run"
    stopped(photos, run, cache, recipe)
    draw("red", 999).save(photos / "red" / "003.jpg")
    (photos / "blue" / "004.jpg").write_bytes(b"")
    result = trainer("resume", run, "--cache", cache)
    assert result.exit_code == 2
    assert "2 images have changed since" in result.stderr
    assert "blue/004.jpg, red/003.jpg" in result.stderr


def test_validation_images_that_changed_are_said_on_export(photos: Path, tmp_path: Path, cache: Path) -> None:
    """Metrics of other images were published without a word."""
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run).exit_code == 0
    first = next(line for line in (run / "catalog.csv").read_text().splitlines() if ",valid," in line).split(",")[0]
    draw("red", 999).save(photos / first)
    result = trainer("export", run, "--out", tmp_path / "bundle", "--cache", cache)
    assert result.exit_code == 2
    assert f"1 images have changed since {run} was begun ({first})" in result.stderr
    assert not (tmp_path / "bundle").exists()


def test_a_run_goes_on_and_exports_where_its_images_were_moved_to(photos: Path, tmp_path: Path, cache: Path) -> None:
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
    assert "among the images; give --out a folder elsewhere" in result.stderr
    assert not (photos / "run").exists()


def test_the_card_tells_only_of_stages_that_ran(photos: Path, tmp_path: Path, cache: Path) -> None:
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run).exit_code == 0
    card = read_bundle(run / "bundle").card
    assert "frozen backbone" not in card
    assert "6 epochs of fine-tuning" in card
