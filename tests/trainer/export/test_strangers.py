"""Strange images, through the commands: what a fit finds, what the bundle says of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from service.bundle import FP32, INT8, Bundle, read_bundle
from service.predictor import Predictor
from tests.support.photos import write_folder, write_tagged_csv
from tests.support.trainer import fit, trainer
from trainer.abstention.ood import FEWEST_IMAGES
from trainer.abstention.strange import strange_images


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with 105 validation images, whose bundle has both model files."""
    folder = tmp_path_factory.mktemp("strangers")
    photos = write_folder(folder / "photos", each=70)
    result = fit(photos, folder / "run", "--valid-fraction", "0.5", "--int8", "require")
    assert result.exit_code == 0, result.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def bundle(run: Path) -> Bundle:
    return read_bundle(run / "bundle")


@pytest.mark.parametrize("file", [FP32, INT8])
def test_each_model_file_has_a_threshold_and_says_what_it_was_set_on(bundle: Bundle, file: str) -> None:
    ood = bundle.spec.models[file].ood
    assert ood is not None
    assert (ood.method, ood.false_alarms, ood.images) == ("mahalanobis+entropy", 0.01, 105)
    found = bundle.metrics_of(file)["ood"]
    assert found["threshold"] == ood.threshold
    assert found["drawn"]["images"] == 60
    assert found["drawn"]["auc"] > 0.9
    curve = bundle.metrics_of(file)["calibration"]["coverage"]
    assert len(curve["strange"]) == len(curve["coverage"])


@pytest.mark.parametrize("file", [FP32, INT8])
def test_strange_images_are_unknown_and_the_images_of_the_classes_are_not(bundle: Bundle, run: Path, file: str) -> None:
    predictor = Predictor(bundle, model_file=file)
    lines = (run / "predictions.csv").read_text().splitlines()[1:]
    files = [run.parent / "photos" / line.split(",")[0] for line in lines]
    assert len(files) == 105
    unknown = [predictor.predict(path.read_bytes()).abstained == "unknown" for path in files]
    assert np.mean(unknown) <= 0.02
    picture = predictor.load(files[0].read_bytes())
    strange = strange_images(predictor.spec.pixels.size)
    rejected = [
        predictor.classify(dataclasses.replace(picture, pixels=pixels)).abstained == "unknown" for pixels in strange
    ]
    assert np.mean(rejected) == pytest.approx(bundle.metrics_of(file)["ood"]["drawn"]["rejected"], abs=0.02)


def test_the_card_says_what_is_recognized_and_what_is_not(bundle: Bundle) -> None:
    assert "`model.onnx` calls a photo unknown if it is too unlike the training images" in bundle.card
    assert "by the 105 images that the threshold was set on" in bundle.card
    assert "Things that are like its classes" in bundle.card


def test_an_export_finds_the_same_again(bundle: Bundle, run: Path, tmp_path: Path) -> None:
    result = trainer("export", run, "--out", tmp_path / "again")
    assert result.exit_code == 0, result.stderr
    again = read_bundle(tmp_path / "again")
    assert {name: model.ood for name, model in again.spec.models.items()} == {
        name: model.ood for name, model in bundle.spec.models.items()
    }


def test_several_labels_have_the_distance_alone(tmp_path: Path) -> None:
    table = write_tagged_csv(tmp_path / "photos", images=260)
    options = ("--label-column", "tags", "--label-delimiter", ";", "--valid-fraction", "0.5", "--int8", "off")
    result = fit(table, tmp_path / "run", *options)
    assert result.exit_code == 0, result.stderr
    ood = read_bundle(tmp_path / "run" / "bundle").spec.models[FP32].ood
    assert ood is not None
    assert ood.method == "mahalanobis"


def test_with_few_validation_images_there_is_no_threshold_and_the_fit_says_so(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=10)
    result = fit(photos, tmp_path / "run", "--int8", "off")
    assert result.exit_code == 0, result.stderr
    reason = f"that needs {FEWEST_IMAGES} images that the network was not trained on, and there are 6"
    assert f"strange images are not recognized: {reason}" in result.stderr
    metrics = json.loads((tmp_path / "run" / "bundle" / "metrics.json").read_text())
    assert metrics["models"][FP32]["ood"] == {"reason": reason, "images": 6}
    bundle = read_bundle(tmp_path / "run" / "bundle")
    assert bundle.spec.models[FP32].ood is None
    assert f"`model.onnx` does not recognize them: {reason}." in bundle.card
