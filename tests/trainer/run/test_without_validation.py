"""`--split none`: all images are trained on, so nothing is measured, and everything that is written says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fieldguide
from service.bundle import read_bundle
from service.predictor import Predictor
from tests.support.photos import write_folder, write_tagged_csv
from tests.support.trainer import error_of, fit, table, trainer


def test_all_images_are_trained_on_and_the_last_epoch_is_kept(tmp_path: Path, run: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=6)
    result = fit(photos, run, "--split", "none")
    assert result.exit_code == 0, result.stderr
    assert "18 train, no validation, 0 test" in result.stderr
    assert "training accuracy" in result.stderr
    assert "validation: no images, so nobody knows how good the model is; the last epoch was kept" in result.stdout
    assert "no-validation-images (confidence: high)" in result.stdout
    assert {row["split"] for row in table(run / "catalog.csv")} == {"train"}

    bundle = read_bundle(run / "bundle")
    assert bundle.spec.models["model.onnx"].temperature == 1
    assert set(bundle.metrics_of("model.onnx")) == {"parity", "ood"}
    assert "needs 100 images" in bundle.metrics_of("model.onnx")["ood"]["reason"]
    assert "How far its probabilities" not in bundle.card
    assert "Reliability diagram" not in (run / "report.html").read_text(encoding="utf-8")
    assert bundle.metrics_of("model.onnx")["parity"]["images"] == 18
    assert "Nobody knows: it was trained on all images" in bundle.card
    assert "tested on no images" in bundle.card
    assert Predictor(bundle).predict((next(photos.rglob("*.jpg"))).read_bytes()).best.label

    opened = fieldguide.open_run(run)
    assert opened.metrics == {}
    assert opened.predictions == ()
    assert not opened.confusion.any()
    assert [epoch.best for epoch in opened.history.epochs] == [True, True]
    assert "not measured" in repr(opened)
    assert "Nobody knows how good this model is" in (opened._repr_html_() or "")
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Nobody knows how good this model is" in page
    assert "Top losses</h2>" not in page
    assert "of 0 validation images" not in page


def test_what_needs_validation_images_is_refused_before_the_training(tmp_path: Path, run: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=6)
    for option, value in (("--patience", "2"), ("--golden", "validation")):
        result = fit(photos, run, "--split", "none", option, value)
        assert result.exit_code == 2
        assert "does not go with --split 'none'" in error_of(result)
        assert not run.exists()
    refused = fit(photos, run, "--split", "none", "--valid", photos)
    assert "it gives the validation images" in error_of(refused)


def test_the_export_of_such_a_run_checks_the_same_images(tmp_path: Path, run: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=6)
    assert fit(photos, run, "--split", "none").exit_code == 0
    cache = ("--cache", tmp_path / "cache")
    again = trainer("export", run, "--out", tmp_path / "again", *cache, "--json")
    assert again.exit_code == 0, again.stderr
    assert json.loads(again.stdout)["validation"] is None
    first, second = (read_bundle(path) for path in (run / "bundle", tmp_path / "again"))
    assert first.models == second.models
    assert first.metrics == second.metrics
    refused = trainer("export", run, "--out", tmp_path / "third", "--golden", "validation", *cache)
    assert "needs validation images, and there are none" in error_of(refused)
    (run / "bundle").rename(tmp_path / "bundle")
    assert trainer("resume", run, *cache).exit_code == 0
    assert read_bundle(run / "bundle").models == first.models


def test_images_of_several_labels_get_thresholds_of_one_half(tmp_path: Path, run: Path) -> None:
    csv = write_tagged_csv(tmp_path / "photos")
    result = fit(csv, run, "--label-delimiter", ";", "--split", "none", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["validation"] is None
    bundle = read_bundle(run / "bundle")
    assert set(bundle.spec.models["model.onnx"].thresholds) == {0.5}
    assert "its thresholds are 0.5" in bundle.card


@pytest.mark.parametrize("names", [("train", "test"), ("valid", "train")])
def test_folders_that_are_called_like_splits_can_be_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    photos = write_folder(tmp_path / "photos", each=4)
    for folder, name in zip(sorted(photos.iterdir()), names, strict=False):
        folder.rename(photos / name)
    catalog = fieldguide.read_catalog(photos, split="none", class_level=1)
    assert {*names} <= {*catalog.classes}
    assert len(catalog.split("train")) == 12


def test_the_metrics_of_a_run_can_be_measured_afterwards(tmp_path: Path, run: Path) -> None:
    photos, others = (write_folder(tmp_path / name, each=each) for name, each in (("photos", 6), ("others", 3)))
    for number, path in enumerate(sorted(others.rglob("*.jpg"))):
        path.write_bytes(path.read_bytes() + bytes([number]))  # other files than those of the training
    assert fit(photos, run, "--split", "none").exit_code == 0
    result = trainer("evaluate", run, others)
    assert result.exit_code == 0, result.stderr
    assert "test (9 images): accuracy" in result.stdout
    assert "set no images aside" in error_of(trainer("evaluate", run))
