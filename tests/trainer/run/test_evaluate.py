"""`trainer evaluate`: a finished run on images that it has not seen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.bundle import read_bundle, write_bundle
from service.predictor import Predictor
from tests.support.bundles import ABSTAIN, SET
from tests.support.photos import WARMTH, draw, write_folder, write_grouped_csv, write_tagged_csv
from tests.support.runs import tree
from tests.support.trainer import error_of, fit, table, trainer


def evaluate(run: Path, *arguments: str | Path) -> Any:
    result = trainer("evaluate", run, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def change_spec(bundle: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write a bundle anew with a changed spec.json."""
    manifest = read_bundle(bundle).manifest
    files = {name: (bundle / name).read_bytes() for name in manifest.files}
    spec = json.loads(files["spec.json"])
    change(spec)
    files["spec.json"] = json.dumps(spec).encode()
    shutil.rmtree(bundle)
    about = {name: getattr(manifest, name) for name in ("name", "version", "created", "producer")}
    write_bundle(bundle, files, **about)


def served_labels(run: Path, folder: Path) -> dict[str, str]:
    """Path -> the label that the service predicts, for every JPEG of a folder."""
    predictor = Predictor(read_bundle(run / "bundle"))
    return {
        path.relative_to(folder).as_posix(): predictor.predict(path.read_bytes()).best.label
        for path in sorted(folder.glob("*/*.jpg"))
    }


def test_images_that_were_never_seen_are_predicted_as_the_service_does(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit(photos, run).exit_code == 0
    shutil.rmtree(photos)  # they are not needed
    others = write_folder(tmp_path / "others", each=7, first=100)
    (others / "red" / "100.jpg").rename(others / "blue" / "strange.jpg")  # at least one prediction is wrong
    served = served_labels(run, others)
    (others / "green" / "broken.jpg").write_text("not an image")
    images, files = tree(others), tree(run)

    predictions = tmp_path / "new" / "predictions.csv"
    found = evaluate(run, others, "--out", predictions)
    assert tree(others) == images
    assert tree(run) == files
    correct = sum(label == path.split("/")[0] for path, label in served.items())
    assert correct < len(served) == 21
    assert found["test"]["images"] == 21
    assert found["test"]["accuracy"] == correct / 21
    low, high = found["accuracy_interval"]
    assert low < correct / 21 < high
    calibration = found["calibration"]
    assert calibration["loss"] == pytest.approx(found["test"]["loss"], abs=1e-6)
    assert calibration["ece_interval"][0] <= calibration["ece"] <= calibration["ece_interval"][1]
    assert list(found["unreadable"]) == ["green/broken.jpg"]
    assert found["warnings"] == []

    lines = table(predictions)
    assert {line["path"]: line["predicted"] for line in lines} == served
    losses = [float(line["loss"]) for line in lines]
    assert losses == sorted(losses, reverse=True)
    assert np.mean(losses) == pytest.approx(found["test"]["loss"], abs=1e-5)

    printed = trainer("evaluate", run, others)
    assert "left out: green/broken.jpg: This is not an image" in printed.stdout
    assert f"test (21 images): accuracy {correct / 21:.4f}, macro f1" in printed.stdout
    assert f"95 % interval of the accuracy: {low:.4f} to {high:.4f}" in printed.stdout
    assert f"calibration error (ECE): {calibration['ece']:.4f}, 95 % interval " in printed.stdout
    assert f"with 21 images, perfect calibration shows {calibration['perfect_ece']['mean']:.4f}" in printed.stdout
    again = trainer("evaluate", run, others, "--out", predictions)
    assert again.exit_code == 2
    assert "nothing is overwritten" in error_of(again)


def test_what_the_bundle_does_not_know_is_in_the_table(trained_run: Path, tmp_path: Path) -> None:
    """`predicted` and the accuracy are those without abstention, as `fit` reports them."""
    others = write_folder(tmp_path / "others", each=2, first=100)
    plain, doubtful = tmp_path / "plain.csv", tmp_path / "doubtful.csv"
    answered = evaluate(trained_run, others, "--out", plain)["test"]
    never_sure = {"abstain": ABSTAIN, "set": {**SET, "quantile": 1}}
    change_spec(trained_run / "bundle", lambda spec: spec["models"]["model.onnx"].update(never_sure))
    found = evaluate(trained_run, others, "--out", doubtful)
    assert found["test"] == answered
    assert found["abstention"] == {"answered": 0, "right": 0, "unknown": 0, "unsure": 6}
    assert found["sets"] == {"right": 6, "mean_size": 3}
    assert "abstained" not in table(plain)[0]
    lines = table(doubtful)
    assert {line["abstained"] for line in lines} == {"unsure"}
    assert {frozenset(line["set"].split("; ")) for line in lines} == {frozenset({"red", "green", "blue"})}
    assert [line["predicted"] for line in lines] == [line["predicted"] for line in table(plain)]


def test_without_data_the_images_that_were_set_aside_are_evaluated(tmp_path: Path) -> None:
    split, run = tmp_path / "split", tmp_path / "run"
    write_folder(split / "train", each=8)
    write_folder(split / "valid", each=3, first=50)
    write_folder(split / "test", each=5, first=70)
    assert fit(split, run).exit_code == 0
    found = evaluate(run)
    assert found["test"]["images"] == 15
    assert evaluate(run, split)["test"] == evaluate(run, split / "test")["test"] == found["test"]

    shutil.rmtree(split / "train")  # they are not needed
    assert evaluate(run) == found
    split.rename(tmp_path / "moved")
    gone = trainer("evaluate", run)
    assert gone.exit_code == 2
    assert "15 of 15 test images are not under" in error_of(gone)
    assert error_of(gone).endswith("if they were moved, name their folder with --root")
    assert evaluate(run, "--root", tmp_path / "moved") == found
    shutil.copy(tmp_path / "moved/test/red/070.jpg", tmp_path / "moved/test/blue/070.jpg")
    changed = trainer("evaluate", run, "--root", tmp_path / "moved")
    assert changed.exit_code == 2
    assert "1 images have changed since" in error_of(changed)


def test_a_class_that_was_left_out_of_the_run_is_reported(tmp_path: Path) -> None:
    """Its images were not evaluated, and nothing said so."""
    split, run = tmp_path / "split", tmp_path / "run"
    write_folder(split / "train", each=12)
    write_folder(split / "test", each=4, first=70)
    (split / "train" / "grey").mkdir()
    (split / "test" / "grey").mkdir()
    (split / "train" / "grey" / "1.jpg").write_text("not an image")
    draw("red", 900).save(split / "test" / "grey" / "2.jpg")
    assert fit(split, run).exit_code == 0
    found = evaluate(run)
    assert found["test"]["images"] == 12
    assert found["warnings"] == [
        "the run left out 1 classes and their test images, because none of their training images can be decoded: grey."
    ]


def test_copies_of_images_that_were_used_in_training_are_reported(photos: Path, tmp_path: Path) -> None:
    """Copies of the validation images, which chose the epoch, were not."""
    run = tmp_path / "run"
    assert fit(photos, run).exit_code == 0
    valid = [row for row in table(run / "catalog.csv") if row["split"] == "valid"]
    for row in valid:
        copy = tmp_path / "copies" / row["label"] / "copy.jpg"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / row["path"], copy)
    (warning,) = evaluate(run, tmp_path / "copies")["warnings"]
    assert "3 test images are byte for byte also among the training or validation images" in warning


def test_coarse_labels_are_those_of_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit(write_grouped_csv(tmp_path / "data"), run, "--coarse-column", "warmth").exit_code == 0
    others = write_folder(tmp_path / "others", each=5, first=100)
    found = evaluate(run, others, "--out", tmp_path / "lines.csv")
    lines = table(tmp_path / "lines.csv")
    assert all(line["coarse"] == WARMTH[line["label"]] for line in lines)
    correct = sum(line["coarse"] == line["predicted_coarse"] for line in lines)
    assert found["test"]["coarse_accuracy"] == correct / 15
    assert "calibration" not in found  # of so few images


def test_multilabel(tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ("--label-column", "tags", "--label-delimiter", ";")
    assert fit(write_tagged_csv(tmp_path / "tagged"), run, *options).exit_code == 0
    found = evaluate(run, write_tagged_csv(tmp_path / "others", images=20))  # with the columns of the run
    assert set(found["test"]) == {"images", "loss", "macro_f1", "mean_average_precision", "micro_f1"}
    assert "accuracy_interval" not in found
    assert 0 <= found["calibration"]["ece"] <= 1
    assert "20 test images are byte for byte also among" in str(found["warnings"])


def test_images_that_cannot_be_evaluated_are_refused(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit(photos, run).exit_code == 0
    strange, split = tmp_path / "strange", tmp_path / "split"
    (strange / "violet").mkdir(parents=True)
    draw("red", 1).save(strange / "violet" / "1.jpg")
    write_folder(split / "train", each=2, first=200)
    broken = write_folder(tmp_path / "broken", each=2, first=300)
    (broken / "red" / "300.jpg").write_text("not an image")
    for arguments, code, message in (
        ((), 2, f"{run} set no images aside for testing; name some: a folder or a CSV after {run}"),
        ((photos,), 1, "36 of its 36 images were used in training (blue/000.jpg ("),
        ((strange,), 1, "no training image has the label 'violet' (1 images, first the test image violet/1.jpg)"),
        ((split,), 1, "none of its images is marked as test"),
        (
            (broken, "--allow-broken", "0.1"),
            1,
            "1 of 6 images cannot be decoded, more than 10%: 1 as red/300.jpg (This",
        ),
        ((strange, "--root", tmp_path), 1, "--root is for the paths in a CSV"),
        (("--label-column", "kind"), 2, "--label-column is about the reading of other images; name their folder"),
        (("--class-level", "2"), 2, "--class-level is about the reading of other images"),
        ((tmp_path / "nowhere",), 1, "there is no such folder or file"),
    ):
        result = trainer("evaluate", run, *arguments)
        assert result.exit_code == code, result.output
        assert message in error_of(result)
    (run / "bundle" / "card.md").write_text("another")
    damaged = trainer("evaluate", run, write_folder(tmp_path / "others", each=2, first=400))
    assert damaged.exit_code == 3
    assert "card.md" in error_of(damaged)
    shutil.rmtree(run / "bundle")
    unfinished = trainer("evaluate", run, strange)
    assert unfinished.exit_code == 2
    assert f"{run} has no bundle yet" in error_of(unfinished)
