from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from service.bundle import GoldenImage, read_bundle
from tests.support.photos import draw
from tests.support.runs import tree
from tests.support.trainer import error_of, fit, trainer
from trainer.export import writing
from trainer.export.golden import make_golden


@pytest.mark.parametrize("part", ["catalog.csv", "checkpoints/best.safetensors", "checkpoints/last.safetensors"])
def test_a_run_that_lacks_a_file_is_not_exported(
    photos: Path, tmp_path: Path, run: Path, cache: Path, part: str
) -> None:
    """Without its last checkpoint there was a traceback."""
    assert fit(photos, run, "--epochs", "1").exit_code == 0
    (run / part).unlink()
    shutil.rmtree(run / "bundle")
    result = trainer("export", run, "--out", tmp_path / "bundle", "--cache", cache)
    assert result.exit_code == 2, result.output
    continued = f"continue the run with fieldguide resume {run}"
    assert error_of(result).endswith(f"{run} has no {part} yet; {continued}")


def test_a_bundle_that_does_not_pass_its_own_checks_is_not_left_behind(
    photos: Path, tmp_path: Path, run: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fit(photos, run).exit_code == 0

    def wrong_golden(*arguments: Any, **options: Any) -> list[GoldenImage]:
        found = make_golden(*arguments, **options)
        return [
            dataclasses.replace(image, probabilities={"model.onnx": 1 - image.probabilities["model.onnx"]})
            for image in found
        ]

    monkeypatch.setattr(writing, "make_golden", wrong_golden)
    before = sorted(tmp_path.rglob("*"))
    for target in ("bundle", "bundle.zip"):
        result = trainer("export", run, "--out", tmp_path / target, "--cache", cache)
        assert result.exit_code == 1
        assert "did not pass its own checks" in error_of(result)
    assert sorted(tmp_path.rglob("*")) == before


def test_export_of_a_run_without_weights_says_how_to_continue(
    photos: Path, tmp_path: Path, run: Path, cache: Path
) -> None:
    assert fit(photos, run).exit_code == 0
    shutil.rmtree(run / "checkpoints")
    result = trainer("export", run, "--out", tmp_path / "bundle", "--cache", cache)
    assert result.exit_code == 2
    assert f"continue the run with fieldguide resume {run}" in error_of(result)


def test_validation_images_that_changed_are_named_on_export(
    photos: Path, tmp_path: Path, run: Path, cache: Path
) -> None:
    """Metrics of other images were published silently."""
    assert fit(photos, run).exit_code == 0
    first = next(line for line in (run / "catalog.csv").read_text().splitlines() if ",valid," in line).split(",")[0]
    draw("red", 999).save(photos / first)
    result = trainer("export", run, "--out", tmp_path / "bundle", "--cache", cache)
    assert result.exit_code == 2
    assert f"1 images have changed since {run} was started ({first})" in error_of(result)
    assert not (tmp_path / "bundle").exists()


def test_options_replace_what_the_recipe_of_the_run_says(photos: Path, tmp_path: Path, run: Path, cache: Path) -> None:
    assert fit(photos, run, "--name", "stripes", "--golden", "validation").exit_code == 0
    before = tree(run)
    options = ("--name", "bands", "--version", "7", "--golden", "synthetic", "--cache", cache)
    for target, more in (("same", ("--cache", cache)), ("other.zip", options)):
        assert trainer("export", run, "--out", tmp_path / target, *more).exit_code == 0
    first, same, other = (read_bundle(path) for path in (run / "bundle", tmp_path / "same", tmp_path / "other.zip"))
    assert (same.manifest.name, same.manifest.version) == ("stripes", "1")
    assert (other.manifest.name, other.manifest.version) == ("bands", "7")
    assert [image.data for image in same.golden] == [image.data for image in first.golden]
    assert [image.data for image in other.golden] != [image.data for image in first.golden]
    assert tree(run) == before


def test_export_again_gives_the_same_bytes(
    photos: Path, tmp_path: Path, run: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under SOURCE_DATE_EPOCH: the bundle and the image."""
    assert fit(photos, run).exit_code == 0
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    both = ("--out", tmp_path / "b.zip", "--oci", tmp_path / "first" / "oci")
    result = trainer("export", run, *both, "--cache", cache)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:2] == [str(tmp_path / "b.zip"), str(tmp_path / "first" / "oci")]
    assert trainer("export", run, "--oci", tmp_path / "second" / "oci", "--cache", cache).exit_code == 0
    first, second = ({path: value[0] for path, value in tree(tmp_path / name).items()} for name in ("first", "second"))
    assert first == second
    assert [path.name for path in (tmp_path / "second").iterdir()] == ["oci"]
    bundle = read_bundle(tmp_path / "b.zip")
    assert bundle.manifest.created == "2023-11-14T22:13:20+00:00"
    assert bundle.digest in (tmp_path / "second" / "oci" / "index.json").read_text()

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    refused = trainer("export", run, "--out", tmp_path / "third", "--cache", cache)
    assert refused.exit_code == 1
    assert "SOURCE_DATE_EPOCH is 'yesterday', not a number of seconds since 1970" in error_of(refused)
    assert not (tmp_path / "third").exists()


def test_export_needs_a_place(run: Path) -> None:
    result = trainer("export", run)
    assert result.exit_code == 2
    assert "say where the bundle goes: --out for a folder or .zip, --oci for an image, or both" in error_of(result)
