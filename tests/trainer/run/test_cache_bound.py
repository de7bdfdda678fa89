"""A training whose decoded images do not fit in the cache gives the same weights, bit for bit."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

import fieldguide
from tests.support.full_disk import no_file_over
from tests.support.photos import write_folder
from tests.support.runs import ONE_THREAD, kill_once_exists, outcome
from tests.support.trainer import command, error_of, trainer
from tests.trainer.run.test_fit import OPTIONS
from tests.trainer.training.test_distributed import torchrun
from trainer.data import list_caches
from trainer.data.housekeeping import Lease

MIXED = (*OPTIONS, "--mixup", "0.3", "--cutmix", "1", "--balance", "sampler")


def pixel_bytes(cache: Path) -> int:
    return sum(path.stat().st_size for path in cache.rglob("pixels.u8"))


def warnings_of(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if "decoded whenever they are needed" in line]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose images, `photos`, were all in the cache; one image cannot be decoded."""
    home = tmp_path_factory.mktemp("home")
    photos = write_folder(home / "photos")
    (photos / "red" / "000.jpg").write_bytes(b"broken")
    result = trainer("fit", photos, "--out", home / "cached", "--cache", home / "cache", *MIXED)
    assert result.exit_code == 0, result.stderr
    assert not warnings_of(result.stderr)
    return home


def test_without_a_cache_the_weights_are_the_same(home: Path, tmp_path: Path) -> None:
    none = tmp_path / "none"
    arguments = ("fit", home / "photos", "--cache", tmp_path / "other", *MIXED, "--cache-max", "0")
    result = trainer(*arguments, "--out", none)
    assert result.exit_code == 0, result.stderr
    (line,) = warnings_of(result.stderr)
    assert re.search(r"decoded, they take \S+ kB, and the cache has no room .*at most 0 B; --cache-max changes", line)
    assert outcome(none) == outcome(home / "cached")
    for name in ("predictions.csv", "unreadable.csv", "catalog.csv", "bundle/metrics.json", "bundle/model.onnx"):
        assert (none / name).read_bytes() == (home / "cached" / name).read_bytes()
    assert pixel_bytes(tmp_path / "other") == 0


def test_validation_images_are_kept_if_they_fit(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    room = 36 * 32 * 32 * 3 + 20_000  # the validation images, and training images in their size; not the larger ones
    result = trainer("fit", home / "photos", "--out", tmp_path / "some", "--cache", other, *MIXED, "--cache-max", room)
    assert result.exit_code == 0, result.stderr
    assert len(warnings_of(result.stderr)) == 1
    assert outcome(tmp_path / "some") == outcome(home / "cached")
    assert {entry.pixels for entry in list_caches(other) if entry.size_bytes > 20_000} == {"crop 32"}


def test_a_disk_that_is_full_in_the_middle(home: Path, tmp_path: Path) -> None:
    """What was decoded until then is removed, and the training goes on."""
    fit = ("fit", home / "photos", *MIXED, "--size", "160", "--epochs", "1")
    assert trainer(*fit, "--out", tmp_path / "room", "--cache", tmp_path / "cache").exit_code == 0
    with no_file_over(2_500_000):  # room for the validation images and the weights
        result = trainer(*fit, "--out", tmp_path / "full", "--cache", tmp_path / "other")
    assert result.exit_code == 0, result.stderr
    assert "the cache cannot be written, File too large" in warnings_of(result.stderr)[0]
    assert outcome(tmp_path / "full") == outcome(tmp_path / "room")
    assert {entry.pixels for entry in list_caches(tmp_path / "other") if entry.size_bytes > 20_000} == {"crop 160"}


def test_a_run_continues_either_way_after_a_kill(home: Path, tmp_path: Path, every_step: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    more = ("--recipe", every_step, *MIXED)
    assert trainer("fit", home / "photos", "--out", whole, "--cache", tmp_path / "cache", *more).exit_code == 0
    fit = command("fit", home / "photos", "--out", killed, "--cache", tmp_path / "other", "--cache-max", "0", *more)
    kill_once_exists(killed / "checkpoints" / "last.safetensors", fit, delay_s=0.3)
    resumed = trainer("resume", killed, "--cache", tmp_path / "other", "--device", "cpu")  # there is room now
    assert resumed.exit_code == 0, resumed.stderr
    assert outcome(killed) == outcome(whole)
    assert not warnings_of(resumed.stderr)


def test_several_processes(home: Path, tmp_path: Path) -> None:
    def fit(name: str, *options: str) -> str:
        arguments = ("trainer", "fit", home / "photos", "--out", tmp_path / name, "--cache", tmp_path / f"of {name}")
        command = torchrun(2, *arguments, *MIXED, "--epochs", "2", *options)
        done = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert not warnings_of(fit("cached"))
    assert len(warnings_of(fit("none", "--cache-max", "0"))) == 1
    assert outcome(tmp_path / "none") == outcome(tmp_path / "cached")


def test_from_python_and_other_commands(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"backbone": "tiny", "epochs": 1, "device": "cpu", "progress": False, "cache": tmp_path / "cache"}
    monkeypatch.setenv("FIELDGUIDE_CACHE_MAX", "0")
    run = fieldguide.fit(photos, out=tmp_path / "run", **options)
    assert pixel_bytes(tmp_path / "cache") == 0
    assert trainer("export", run.path, "--out", tmp_path / "again", "--cache", tmp_path / "cache").exit_code == 0
    assert pixel_bytes(tmp_path / "cache") == 0
    found = fieldguide.lr_find(photos, **options, cache_max="1MB")
    assert found.suggestion > 0
    assert pixel_bytes(tmp_path / "cache") > 0
    with pytest.raises(fieldguide.TrainerError, match="`cache_max` is 'much'; give a number of bytes"):
        fieldguide.fit(photos, out=tmp_path / "no", **options, cache_max="much")
    assert "--cache-max is 'much'" in error_of(trainer("fit", photos, "--cache-max", "much"))


def test_the_cache_is_shown_and_emptied(photos: Path, cache: Path) -> None:
    run = trainer("fit", photos, "--out", cache.parent / "run", "--cache", cache, *OPTIONS, "--epochs", "1")
    assert run.exit_code == 0, run.stderr
    shown = trainer("cache", "--cache", cache, "--cache-max", "1GB")
    assert re.search(r"cache: \d+ kB in 2 caches, at most 1 GB", shown.stdout)
    assert re.search(rf" +\d+ kB +just now +squish 42 +{photos} ", shown.stdout)
    value = json.loads(trainer("cache", "--cache", cache, "--json").stdout)
    assert {found["pixels"] for found in value["caches"]} == {"squish 42", "crop 32"}
    assert value["size_bytes"] == sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    none = trainer("cache", "clear", "--older-than", "1", "--cache", cache)
    assert none.stdout == "removed: 0 caches, 0 B\n"
    assert "--older-than is for clear" in error_of(trainer("cache", "--older-than", "1", "--cache", cache))
    lease = Lease(list_caches(cache)[0].path)
    kept = trainer("cache", "clear", "--cache", cache)
    assert kept.stdout.startswith("removed: 1 cache, ")
    assert "in use, stays: " in kept.stdout
    lease.release()
    assert trainer("cache", "clear", "--cache", cache).stdout.startswith("removed: 1 cache, ")
    assert list(cache.iterdir()) == []
    assert "0 B in 0 caches" in trainer("cache", "--cache", cache / "missing").stdout
