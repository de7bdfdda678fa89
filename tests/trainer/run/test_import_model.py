"""Bundles from models that other programs trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fieldguide
from service.bundle import FP32, Bundle, read_bundle
from service.predictor import Predictor
from tests.support.bundles import write_tiny_bundle
from tests.support.foreign_models import CLASSES, with_external_data, write_classes, write_onnx
from tests.support.photos import write_folder, write_tagged_csv
from tests.support.trainer import error_of, trainer
from trainer.model.tiny import Tiny

HALF = ("--size", "32", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5")


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    return write_classes(tmp_path / "names.txt")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(Tiny(class_count=3).state_dict(), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def imported(model: Path, *arguments: str | Path) -> Bundle:
    """Import a model, and load the bundle as the service does."""
    out = model.parent / "bundle"
    result = trainer("import", model, "--out", out, *arguments)
    assert result.exit_code == 0, result.output
    bundle = read_bundle(out)
    Predictor(bundle)
    return bundle


def refused(model: Path, *arguments: str | Path) -> str:
    """The line with which an import is refused; nothing is left behind."""
    before = sorted(model.parent.rglob("*"))
    result = trainer("import", model, "--out", model.parent / "bundle", *arguments)
    assert result.exit_code == 2, result.output
    assert sorted(model.parent.rglob("*")) == before
    return error_of(result)


def black_and_colours() -> np.ndarray[Any, Any]:
    images = np.zeros((4, 32, 32, 3), dtype=np.uint8)
    for number in range(3):
        images[number + 1, ..., number] = 200
    return images


class TestWeights:
    def test_the_bundle_predicts_what_the_network_predicts(self, weights: Path, classes: Path) -> None:
        bundle = imported(weights, "--backbone", "tiny", "--classes", classes)
        assert bundle.spec.classes == CLASSES
        assert bundle.head is not None  # so it has heatmaps
        network = Tiny(class_count=3).eval()
        network.load_state_dict(torch.load(weights, weights_only=True))
        images = black_and_colours()
        with torch.no_grad():
            pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
            expected = network((pixels - 0.5) / 0.5).softmax(1).numpy()
        assert Predictor(bundle).probabilities(images) == pytest.approx(expected, abs=1e-5)

    def test_without_images_nothing_is_measured_and_it_says_so(self, weights: Path, classes: Path) -> None:
        options = ("--backbone", "tiny", "--classes", classes, "--name", "mine", "--version", "3")
        result = trainer("import", weights, "--out", weights.parent / "b.zip", *options)
        assert "nothing was measured: the temperature is 1" in result.stdout
        bundle = read_bundle(weights.parent / "b.zip")
        assert (bundle.manifest.name, bundle.manifest.version) == ("mine", "3")
        assert bundle.spec.models[FP32].temperature == 1
        assert set(bundle.metrics_of(FP32)) == {"parity"}
        assert "nothing was measured" in bundle.card
        assert str(weights.parent) not in bundle.card

    def test_classes_of_another_number(self, weights: Path, tmp_path: Path) -> None:
        names = write_classes(tmp_path / "two.txt", ("a", "b"))
        line = refused(weights, "--backbone", "tiny", "--classes", names)
        assert line.endswith(f"{weights} has 3 classes, and 2 are named; name those of its training, in their order")

    def test_classes_of_a_bundle_and_of_the_file(self, weights: Path, tmp_path: Path) -> None:
        bundle = write_tiny_bundle(tmp_path / "other.zip")
        model = write_onnx(tmp_path / "model.onnx")
        assert imported(model, "--classes", bundle, *HALF).spec.classes == ("red", "green", "blue")
        state = torch.load(weights, weights_only=True)
        torch.save({"model": state, "classes": ["x", "y", "z"]}, tmp_path / "named.pth")
        out = fieldguide.import_model(tmp_path / "named.pth", tmp_path / "b.zip", backbone="tiny", progress=False)
        assert read_bundle(out).spec.classes == ("x", "y", "z")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("a\nb\na\n", "has a class twice: a"),
            ("", "has 3 classes, and 0 are named"),
            ("\xff", "it is not UTF-8 text"),
        ],
    )
    def test_a_list_of_classes_that_cannot_be_used(self, weights: Path, tmp_path: Path, text: str, reason: str) -> None:
        (tmp_path / "bad.txt").write_text(text, encoding="latin-1")
        assert reason in refused(weights, "--backbone", "tiny", "--classes", tmp_path / "bad.txt")

    def test_what_is_missing_is_said(self, weights: Path, classes: Path, tmp_path: Path) -> None:
        assert "name its network as --backbone, such as torchvision/resnet34" in refused(weights, "--classes", classes)
        assert "name the classes in the order of the training: --classes" in refused(weights, "--backbone", "tiny")
        result = trainer("import", weights, "--backbone", "tiny", "--classes", classes)
        assert "say where the bundle goes: --out" in error_of(result)

    def test_weights_of_another_network(self, weights: Path, classes: Path) -> None:
        line = refused(weights, "--backbone", "torchvision/resnet18", "--classes", classes)
        assert f"{weights} does not hold the weights of torchvision/resnet18: " in line

    def test_images_are_prepared_as_it_is_said(self, weights: Path, classes: Path) -> None:
        options = ("--size", "48", "--resize", "squish", "--filter", "bicubic", "--mean", "0,0,0", "--std", "1,1,1")
        named = ("--backbone", "tiny", "--classes", classes)
        assert "smaller than pixels.size" in refused(weights, *named, "--resize-short", "8")
        bundle = imported(weights, *named, *options)
        assert bundle.spec.pixels.to_json() == {
            "size": 48,
            "resize_short": 48,
            "mode": "squish",
            "filter": "bicubic",
        }


class TestData:
    def test_images_calibrate_and_measure_it(self, tmp_path: Path, classes: Path) -> None:
        photos = write_folder(tmp_path / "photos", each=8)
        model = write_onnx(tmp_path / "model.onnx")
        bundle = imported(model, "--classes", classes, *HALF, "--data", photos)
        metrics = bundle.metrics_of(FP32)
        assert metrics["validation"]["images"] == 24
        assert metrics["validation"]["accuracy"] == 1
        assert metrics["parity"]["images"] == 16 + 24
        assert sum(metrics["reference"]["confidence_counts"]) == 24
        temperature = bundle.spec.models[FP32].temperature
        assert temperature > 1  # few images are no reason to be so sure
        found = Predictor(bundle).predict((photos / "red" / "000.jpg").read_bytes())
        assert found.ranked[0].label == "red"
        assert f"The temperature ({temperature}) was chosen on these same images" in bundle.card
        assert metrics["calibration"]["images"] == 24
        assert "## How far its probabilities can be trusted\n" in bundle.card

    def test_a_multilabel_model(self, tmp_path: Path, classes: Path) -> None:
        table = write_tagged_csv(tmp_path / "photos")
        model = write_onnx(tmp_path / "model.onnx", activation="Sigmoid")
        options = ("--classes", classes, *HALF, "--outputs", "probabilities", "--data", table, "--label-column", "tags")
        multilabel = ("--task", "multilabel", "--label-delimiter", ";")
        bundle = imported(model, *options, *multilabel)
        assert bundle.spec.task == "multilabel"
        assert len(bundle.spec.models[FP32].thresholds) == 3
        assert bundle.metrics_of(FP32)["validation"]["mean_average_precision"] > 0.9
        (tmp_path / "bundle").rename(tmp_path / "first")
        line = refused(model, *options, "--label-delimiter", ";")
        assert "is read for multilabel, and the model is for classification; give --task multilabel" in line

    def test_labels_that_are_no_classes(self, tmp_path: Path, photos: Path) -> None:
        names = write_classes(tmp_path / "names.txt", ("blue", "green", "crimson"))
        line = refused(write_onnx(tmp_path / "model.onnx"), "--classes", names, *HALF, "--data", photos)
        assert f"{photos} has 1 labels that are no classes of the model: red" in line


class TestOnnx:
    @pytest.mark.parametrize("layout", ["nchw", "nhwc"])
    @pytest.mark.parametrize("activation", ["", "Softmax"])
    @pytest.mark.parametrize("size", [32, "side"])
    def test_it_predicts_the_same(
        self, tmp_path: Path, classes: Path, layout: str, activation: str, size: int | str
    ) -> None:
        model = write_onnx(tmp_path / "model.onnx", layout=layout, activation=activation, size=size)
        outputs = "probabilities" if activation else "logits"
        bundle = imported(model, "--classes", classes, *HALF, "--layout", layout, "--outputs", outputs)
        logits = 6 * (black_and_colours().mean((1, 2))[:, ::-1] / 255 - 0.5) / 0.5
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert Predictor(bundle).probabilities(black_and_colours()) == pytest.approx(expected, abs=1e-5)

    def test_nothing_private_is_copied(self, tmp_path: Path, classes: Path) -> None:
        model = write_onnx(tmp_path / "model.onnx", doc_string="/home/someone", producer_name="someone")
        bundle = imported(model, "--classes", classes, *HALF)
        assert b"someone" not in bundle.models[FP32]

    @pytest.mark.parametrize(
        ("options", "given", "reason"),
        [
            ({"activation": "Softmax"}, (), "it gives probabilities: they sum to 1; give --outputs probabilities"),
            ({}, ("--outputs", "probabilities"), "numbers beyond 0 to 1, which are no probabilities"),
            ({"activation": "Sigmoid"}, ("--outputs", "probabilities"), "do not sum to 1; give --outputs logits"),
            ({"batch": 1}, (), "its batch size is fixed to 1; export it with a dynamic one"),
            ({"size": 64}, (), "not [N, 3, 32, 32]; check --size and --layout"),
            ({"layout": "nhwc"}, (), "not [N, 3, 32, 32]; check --size and --layout"),
            ({"opset": 8}, (), "it needs at least opset 9"),
        ],
    )
    def test_a_model_that_is_not_what_was_said(
        self, tmp_path: Path, classes: Path, options: dict[str, Any], given: tuple[str, ...], reason: str
    ) -> None:
        model = write_onnx(tmp_path / "model.onnx", **options)
        assert reason in refused(model, "--classes", classes, *HALF, *given)

    def test_a_model_of_more_classes(self, tmp_path: Path) -> None:
        names = write_classes(tmp_path / "names.txt", ("a", "b"))
        line = refused(write_onnx(tmp_path / "model.onnx"), "--classes", names, *HALF)
        assert "it gives 3 classes, and 2 are named" in line

    def test_files_that_are_no_models(self, tmp_path: Path, classes: Path) -> None:
        model = tmp_path / "model.onnx"
        for data, reason in ((b"hello" * 99, "it is not an ONNX model"), (b"\x3a\x00", "cannot be imported: ")):
            model.write_bytes(data)
            assert reason in refused(model, "--classes", classes, *HALF)
        with open(model, "wb") as file:
            file.truncate(3 * 1024**3)  # a hole: it takes no disk
        assert "it has 3,221,225,472 bytes; a bundle has at most 2,147,483,648" in refused(
            model, "--classes", classes, *HALF
        )
        model.unlink()
        external = with_external_data(write_onnx(tmp_path / "model.onnx"))
        line = refused(external, "--classes", classes, *HALF)
        assert "it keeps weights in another file (external data); save it as one file: onnx.save(" in line

    def test_it_does_not_say_how_images_are_prepared(self, tmp_path: Path, classes: Path) -> None:
        line = refused(write_onnx(tmp_path / "model.onnx"), "--classes", classes, "--size", "32")
        assert "does not say how its images are prepared: give --size, --mean and --std" in line

    @pytest.mark.parametrize("text", ["0.5", "1,2,x", "1,2,3,4"])
    def test_three_numbers(self, tmp_path: Path, text: str) -> None:
        result = trainer("import", write_onnx(tmp_path / "model.onnx"), "--out", tmp_path / "b", "--mean", text)
        assert result.exit_code == 2
        assert "it must be three numbers, such as 0.485,0.456,0.406" in result.stderr


def test_the_result_is_one_json_object(tmp_path: Path, classes: Path) -> None:
    model = write_onnx(tmp_path / "model.onnx")
    result = trainer("import", model, "--classes", classes, *HALF, "--oci", tmp_path / "oci", "--json")
    value = json.loads(result.stdout)
    assert value["bundle"] is None
    assert value["oci"] == str(tmp_path / "oci")
    assert value["digest"] in (tmp_path / "oci" / "index.json").read_text()
