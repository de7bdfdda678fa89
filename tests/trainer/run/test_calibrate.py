"""`calibrate`, and `--calibration` of `export` and `fit`: everything fitted on images that chose nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from service.bundle import FP32, Bundle, read_bundle
from service.predictor import Predictor
from tests.support.photos import draw, write_folder, write_tagged_csv
from tests.support.runs import tree
from tests.support.trainer import error_of, fit, table, trainer


def calibrate(run: Path, data: Path, out: Path, *more: str | Path) -> Any:
    return trainer("calibrate", run, data, "--out", out, "--cache", out.parent / "cache", *more)


def calibrated(run: Path, data: Path, out: Path, *more: str | Path) -> dict[str, Any]:
    result = calibrate(run, data, out, *more, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 images that no run has seen; a fifth of the blue ones is red, so they are predicted wrongly."""
    folder = write_folder(tmp_path_factory.mktemp("labelled") / "labelled", each=50, first=300)
    for number in range(600, 610):
        draw("red", number).save(folder / "blue" / f"{number}.jpg", quality=95)
    return folder


def test_everything_is_fitted_on_the_given_images(trained_run: Path, labelled: Path, tmp_path: Path) -> None:
    before, images = tree(trained_run), tree(labelled)
    options = ("--max-error", "0.45", "--confidence", "0.9", "--set-level", "0.9", "--version", "2")
    found = calibrated(trained_run, labelled, tmp_path / "new.zip", *options)
    assert (tree(trained_run), tree(labelled)) == (before, images)
    bundle, old = read_bundle(tmp_path / "new.zip"), read_bundle(trained_run / "bundle")
    assert found["digest"] == bundle.digest
    assert bundle.manifest.version == "2"
    model, fitted = bundle.spec.models[FP32], found["models"][FP32]
    assert model.temperature == fitted["temperature"] != old.spec.models[FP32].temperature
    assert model.abstain is not None
    assert model.set is not None
    assert (model.abstain.max_error, model.abstain.confidence, model.abstain.independent) == (0.45, 0.9, True)
    assert model.abstain.images == model.set.images == 160
    assert bundle.metrics_of(FP32)["abstain"] == fitted["abstain"]
    assert bundle.metrics_of(FP32)["set"] == fitted["set"]
    assert bundle.metrics_of(FP32)["calibration"]["images"] == 160
    assert "chose nothing else" in bundle.card
    assert "optimistic" not in bundle.card
    assert "160 images of 3 classes" in found["images"]
    assert (found["warnings"], found["unreadable"]) == ([], {})

    answered = wrong = held = 0
    predictor = Predictor(bundle)
    for path in sorted(labelled.glob("*/*.jpg")):
        prediction = predictor.predict(path.read_bytes())
        held += path.parent.name in (prediction.label_set or ())
        if prediction.abstained is None:
            answered += 1
            wrong += prediction.best.label != path.parent.name
    assert answered / 160 == pytest.approx(model.abstain.coverage, abs=0.001)
    assert 0.1 < wrong / answered < 0.45
    assert held / 160 == pytest.approx(0.9, abs=0.04)


def test_export_gives_the_same_bundle(trained_run: Path, labelled: Path, tmp_path: Path) -> None:
    asked = ("--max-error", "0.45", "--confidence", "0.9", "--cache", tmp_path / "cache")
    calibrated(trained_run, labelled, tmp_path / "first", "--max-error", "0.45", "--confidence", "0.9")
    again = trainer("export", trained_run, "--out", tmp_path / "second", "--calibration", labelled, *asked)
    assert again.exit_code == 0, again.output
    first, second = (read_bundle(tmp_path / name) for name in ("first", "second"))
    assert (first.spec, first.models, first.metrics) == (second.spec, second.models, second.metrics)


def test_with_too_few_images_the_bundle_is_written_without_and_a_line_says_how_many_more(
    trained_run: Path, labelled: Path, tmp_path: Path
) -> None:
    few = write_folder(tmp_path / "few", each=4, first=700)
    result = calibrate(trained_run, few, tmp_path / "bundle", "--max-error", "0.02")
    assert result.exit_code == 0, result.output
    needed = "149 images answered without an error are needed for 2 % at 95 %, and there are 12: at least 137 more"
    assert f"{FP32}: answers always, since no threshold keeps the bound: {needed}\n" in result.stderr
    assert "need 19 images, and there are 12: 7 more\n" in result.stderr
    bundle = read_bundle(tmp_path / "bundle")
    model = bundle.spec.models[FP32]
    assert (model.abstain, model.set) == (None, None)
    assert bundle.metrics_of(FP32)["abstain"]["reason"] == needed
    assert needed in bundle.card
    assert result.stdout.splitlines()[-1] == f"next: fieldguide serve {tmp_path / 'bundle'}"


def test_copies_of_images_of_the_training_are_left_out(trained_home: Path, trained_run: Path, tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", each=8, first=700)
    rows = [row for row in table(trained_run / "catalog.csv") if row["label"] == "green"]
    for split in ("train", "valid"):
        row = next(row for row in rows if row["split"] == split)
        shutil.copy(trained_home / "photos" / row["path"], data / "green" / f"{split}.jpg")
    (data / "red" / "broken.jpg").write_text("not an image")
    shutil.rmtree(data / "blue")
    found = calibrated(trained_run, data, tmp_path / "bundle")
    assert "16 images of 2 classes" in found["images"]
    assert list(found["unreadable"]) == ["red/broken.jpg"]
    left_out, copies, missing = found["warnings"]
    assert left_out.startswith("1 image to calibrate on cannot be decoded, left out: red/broken.jpg: This is not an im")
    assert copies == (
        "2 images to calibrate on, byte for byte also among the training or validation images, left out: "
        "green/train.jpg, green/valid.jpg."
    )
    assert missing == ("1 class of 3 has no image to calibrate on (blue): what is promised is not about them.")

    shutil.rmtree(data / "red")
    for path in data.glob("green/7*.jpg"):
        path.unlink()
    refused = calibrate(trained_run, data, tmp_path / "other")
    assert refused.exit_code == 1
    assert "all of its 2 images are byte for byte among the training or validation images" in error_of(refused)
    assert not (tmp_path / "other").exists()


def test_images_that_cannot_be_used_are_refused(
    trained_home: Path, trained_run: Path, labelled: Path, tmp_path: Path
) -> None:
    strange = write_folder(tmp_path / "strange", each=1, first=700)
    (strange / "red").rename(strange / "violet")
    cases = (
        (trained_home / "photos", "38 of its 38 images were used in training", "calibration needs images that were"),
        (strange, "no training image has the label 'violet' (1 images", "or remove these images"),
        (tmp_path / "nowhere", f"{tmp_path / 'nowhere'}: there is no such folder or file", "give a folder"),
    )
    for data, *messages in cases:
        result = calibrate(trained_run, data, tmp_path / "bundle")
        assert result.exit_code == 1
        assert all(message in error_of(result) for message in messages), result.stderr
    inside = calibrate(trained_run, labelled, labelled / "bundle")
    assert inside.exit_code == 2
    assert f"is in {labelled}, among the images; give a folder elsewhere for --out" in error_of(inside)
    for option, value in (("--max-error", "0.7"), ("--confidence", "0.2"), ("--set-level", "1")):
        result = calibrate(trained_run, labelled, tmp_path / "bundle", option, value)
        assert result.exit_code == 2
        assert f"{option} is {float(value)}; it must be from " in error_of(result)
    folder = calibrate(trained_run, labelled, tmp_path / "bundle", "--data-root", tmp_path)
    assert folder.exit_code == 1
    assert f"{labelled}: --data-root is for the paths in a table, and this is none" in error_of(folder)
    nothing = trainer("calibrate", trained_run, labelled)
    assert nothing.exit_code == 2
    assert "say where the bundle goes" in error_of(nothing)
    assert not (tmp_path / "bundle").exists()


def test_images_are_read_as_it_is_asked_for(trained_home: Path, trained_run: Path, tmp_path: Path) -> None:
    """A table with other columns and a root of its own; the images of the run were moved."""
    photos = write_folder(tmp_path / "photos", each=7, first=700)
    lines = [
        f"{path.relative_to(photos).with_suffix('')},{path.parent.name}" for path in sorted(photos.glob("*/*.jpg"))
    ]
    data = tmp_path / "tables" / "labels.csv"
    data.parent.mkdir()
    data.write_text("\n".join(["file,colour", *lines]) + "\n")
    moved = shutil.copytree(trained_home / "photos", tmp_path / "moved")
    columns = ("--path-column", "file", "--label-column", "colour", "--suffix", ".jpg")
    found = calibrated(trained_run, data, tmp_path / "bundle", *columns, "--data-root", photos, "--root", moved)
    assert "21 images of 3 classes" in found["images"]
    assert found["models"][FP32]["set"]["images"] == 21


def test_images_with_several_labels(tmp_path: Path) -> None:
    """The thresholds are fitted anew, and an answer is right if all labels are."""
    run, options = tmp_path / "run", ("--label-column", "tags", "--label-delimiter", ";", "--int8", "off")
    assert fit(write_tagged_csv(tmp_path / "tagged"), run, *options, "--epochs", "1").exit_code == 0
    others = write_tagged_csv(tmp_path / "others", images=120)
    for number in range(36):  # the same as those of the run
        (others.parent / f"{number:03}.png").write_bytes(b"not an image")
    found = calibrated(run, others, tmp_path / "bundle", "--max-error", "0.45", "--confidence", "0.5")
    old, new = (read_bundle(path).spec.models[FP32] for path in (run / "bundle", tmp_path / "bundle"))
    assert old.thresholds != new.thresholds
    assert new.set is None
    abstain = found["models"][FP32]["abstain"]
    assert abstain["images"] == 79  # five black ones are copies of one that the run was trained on
    assert "reason" in abstain or abstain["errors"] <= 0.45 * abstain["answered"]
    assert "set" not in found["models"][FP32]


def test_a_fit_calibrates_on_images_of_its_own(photos: Path, labelled: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = fit(
        photos, run, "--calibration", labelled, "--max-error", "0.45", "--confidence", "0.9", "--split", "none"
    )
    assert result.exit_code == 0, result.output
    assert f"to calibrate on: {labelled}: 160 images of 3 classes" in result.stderr
    bundle = read_bundle(run / "bundle")
    abstain = bundle.spec.models[FP32].abstain
    assert abstain is not None
    assert abstain.independent
    assert "validation" not in bundle.metrics_of(FP32)
    assert "was fitted on 160 other images" in bundle.card
    assert "not calibrated" not in bundle.card
    assert calibrated_again(run, tmp_path).spec == bundle.spec


def calibrated_again(run: Path, folder: Path) -> Bundle:
    """The bundle of an export that names no images: the recipe of the run does."""
    assert trainer("export", run, "--out", folder / "again", "--cache", folder / "cache").exit_code == 0
    return read_bundle(folder / "again")


def test_images_that_cannot_be_used_are_refused_before_the_training(photos: Path, tmp_path: Path) -> None:
    strange = write_folder(tmp_path / "strange", each=1, first=700)
    (strange / "red").rename(strange / "violet")
    result = fit(photos, tmp_path / "run", "--calibration", strange, "--max-error", "0.02")
    assert result.exit_code == 1
    assert "no training image has the label 'violet'" in error_of(result)
    assert not (tmp_path / "run").exists()
    without = fit(photos, tmp_path / "run", "--split", "none", "--max-error", "0.02")
    assert without.exit_code == 2
    assert "--max-error does not go with --split 'none': there are no images to choose a threshold on" in error_of(
        without
    )
