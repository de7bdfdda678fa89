"""Whether a bundle gets model.int8.onnx: judged by accuracy, on validation images."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from service.bundle import FP32, INT8, Bundle, read_bundle
from service.pixels import load
from service.predictor import Predictor
from tests.support.bundles import make_head, make_image, make_model
from tests.support.photos import draw, write_folder, write_tagged_csv
from tests.support.trainer import error_of, fit, trainer
from tests.support.training import RecordedProgress
from trainer.catalog import read_catalog
from trainer.data import Decoding, hash_and_decode
from trainer.export import Exportable, export_bundle
from trainer.export.draft import ModelDraft
from trainer.export.int8_choice import choose_int8, with_temperature
from trainer.model import Classifier, load_backbone
from trainer.progress import NoProgress
from trainer.recipe import Recipe
from trainer.training.calibration import Calibration
from trainer.training.evaluate import to_pixels

ORDER = ["per tensor, MinMax", "per channel, MinMax", "per tensor, percentile", "per channel, percentile"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose bundle has both files: 105 validation images."""
    folder = tmp_path_factory.mktemp("int8")
    photos = write_folder(folder / "photos", each=70)
    result = fit(photos, folder / "run", "--valid-fraction", "0.5", "--int8", "require")
    assert result.exit_code == 0, result.stderr
    assert "model.int8.onnx: per tensor, MinMax; 0.0 points of accuracy lost" in result.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def bundle(run: Path) -> Bundle:
    return read_bundle(run / "bundle")


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> Exportable:
    """A classifier of photos that hardly differ: every rounding of a number may change what it predicts."""
    folder = tmp_path_factory.mktemp("doubtful")
    for number in range(240):
        path = folder / ("train" if number % 2 else "valid") / "abc"[number % 3] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw("red", number).save(path)
    catalog = read_catalog(folder)
    backbone = load_backbone("tiny", weights="none")
    decoding = Decoding(cache=folder / "cache", threads=1, progress=NoProgress())
    _, valid, _ = hash_and_decode(catalog, catalog.split("valid"), backbone.pixels, decoding=decoding)
    classifier = Classifier(backbone, class_count=3).eval()
    torch.nn.init.normal_(classifier.head.weight, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = classifier(to_pixels(torch.from_numpy(valid.batch(np.arange(len(valid))))))
        classifier.head.bias -= logits.mean(dim=0)
    return Exportable(
        classifier=classifier,
        pixels=backbone.pixels,
        catalog=catalog,
        checked=valid,
        recipe=Recipe(backbone="tiny", name="doubtful"),
        unreadable_count=0,
        head_trained=False,
    )


def test_each_model_file_has_an_entry_of_its_own(bundle: Bundle) -> None:
    assert set(bundle.models) == set(bundle.spec.models) == {FP32, INT8}
    assert len(bundle.models[INT8]) < len(bundle.models[FP32]) / 3
    for name in (FP32, INT8):
        assert bundle.metrics_of(name)["validation"]["images"] == 105
        assert "reference" in bundle.metrics_of(name)
        assert Predictor(bundle, model_file=name).warnings == ()
    (first, *_) = bundle.golden
    assert not np.array_equal(first.probabilities[FP32], first.probabilities[INT8])
    assert first.tolerance == {FP32: 0.01, INT8: 0.05}
    assert "| in 8-bit integers (`model.int8.onnx`) |" in bundle.card


def test_the_figures_are_in_the_metrics(bundle: Bundle) -> None:
    report = bundle.metrics["int8"]
    (tried,) = report["tried"]
    assert (report["accepted"], report["reason"], report["images"]) == (True, "", 105)
    assert tried["settings"] == "per tensor, MinMax"
    low, high = tried["net_loss_interval"]
    assert low < tried["net_loss"] < high < 0.02
    assert tried["agreement"] >= 0.98


def test_its_metrics_are_those_of_the_file(bundle: Bundle, run: Path) -> None:
    with (run / "catalog.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "valid"]
    predictor = Predictor(bundle, model_file=INT8)
    found = [predictor.predict((run.parent / "photos" / row["path"]).read_bytes()) for row in rows]
    right = [
        next(label.probability for label in prediction.ranked if label.label == row["label"])
        for prediction, row in zip(found, rows, strict=True)
    ]
    assert predictor.metrics["validation"]["loss"] == pytest.approx(-np.log(right).mean(), abs=1e-5)


@pytest.mark.parametrize("name", [FP32, INT8])
def test_each_file_says_how_far_its_own_probabilities_can_be_trusted(bundle: Bundle, run: Path, name: str) -> None:
    with (run / "catalog.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "valid"]
    predictor = Predictor(bundle, model_file=name)
    probabilities = np.stack(
        [predictor.predict((run.parent / "photos" / row["path"]).read_bytes()).probabilities for row in rows]
    )
    targets = np.array([bundle.spec.classes.index(row["label"]) for row in rows])
    logits = np.log(probabilities.astype(float)) * bundle.spec.models[name].temperature
    before = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = bundle.metrics_of(name)["calibration"]
    assert found["images"] == sum(part["count"] for part in found["bins"]) == 105
    own = before[np.arange(105), targets]
    assert found["before"]["loss"] == pytest.approx(-np.log(own).mean(), abs=1e-4)
    assert found["before"]["brier"] == pytest.approx(((before**2).sum(axis=1) - 2 * own + 1).mean(), abs=1e-4)
    correct = bundle.metrics_of(name)["validation"]["accuracy"]
    assert found["coverage"]["error"][-1] == pytest.approx(1 - correct, abs=1e-6)
    low, high = found["after"]["ece_interval"]
    in_words = f"{100 * found['after']['ece']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    (line,) = [line for line in bundle.card.splitlines() if line.startswith(f"| `{name}`: calibration error |")]
    assert "\n\n\n" not in bundle.card
    assert f"| {in_words} | {100 * found['perfect_ece']['mean']:.1f} %; at most" in line


def test_an_export_gives_the_same_bytes_and_can_leave_it_out(bundle: Bundle, run: Path) -> None:
    cache = ("--cache", run.parent / "cache")
    again = trainer("export", run, "--out", run.parent / "again", *cache)
    assert again.exit_code == 0, again.stderr
    assert read_bundle(run.parent / "again").models == bundle.models
    without = trainer("export", run, "--out", run.parent / "without", "--int8", "off", *cache)
    assert without.exit_code == 0, without.stderr
    found = read_bundle(run.parent / "without")
    assert found.models == {FP32: bundle.models[FP32]}
    assert "int8" not in found.metrics
    assert "8-bit" not in found.card


def test_each_file_is_calibrated_on_its_own_on_other_images(bundle: Bundle, run: Path, tmp_path: Path) -> None:
    """Its temperature is in the graph: `check` of the bundle, and the loss on these images."""
    others = write_folder(tmp_path / "others", each=20, first=500)
    for number in range(900, 906):
        draw("red", number).save(others / "blue" / f"{number}.jpg", quality=95)
    options = ("--out", tmp_path / "new", "--max-error", "0.25", "--cache", run.parent / "cache")
    result = trainer("calibrate", run, others, *options)
    assert result.exit_code == 0, result.stderr
    found = read_bundle(tmp_path / "new")
    for name in (FP32, INT8):
        model = found.spec.models[name]
        assert model.temperature > 1.5 * bundle.spec.models[name].temperature  # since 6 labels are wrong
        assert model.abstain is not None
        assert model.set is not None
        assert found.metrics_of(name)["abstain"]["images"] == 66
        assert f"{name}: answers " in result.stderr
        predictor = Predictor(found, model_file=name)
        losses = [
            -np.log(next(label.probability for label in predicted.ranked if label.label == path.parent.name))
            for path in others.glob("*/*.jpg")
            for predicted in [predictor.predict(path.read_bytes())]
        ]
        assert np.mean(losses) == pytest.approx(found.metrics_of(name)["calibration"]["after"]["loss"], rel=0.2)


def test_on_the_validation_images_the_promise_is_called_optimistic(run: Path, tmp_path: Path) -> None:
    options = ("--out", tmp_path / "new", "--max-error", "0.1", "--int8", "off", "--cache", run.parent / "cache")
    result = trainer("export", run, *options)
    assert result.exit_code == 0, result.stderr
    found = read_bundle(tmp_path / "new")
    abstain = found.spec.models[FP32].abstain
    assert abstain is not None
    assert (abstain.images, abstain.independent) == (105, False)
    assert "at most 10 % of the answers are wrong, with 95 % confidence (optimistic: these images" in result.stderr
    assert "**This is optimistic:** the same images chose the epoch, too." in found.card


def test_one_that_is_less_accurate_is_refused(doubtful: Exportable, tmp_path: Path) -> None:
    """In the fixed order, and with the reason; the bundle has model.onnx alone."""
    progress = RecordedProgress()
    found = export_bundle(doubtful, tmp_path / "bundle", version="1", threads=1, progress=progress)
    assert set(found.models) == {FP32}
    report = found.metrics["int8"]
    assert not report["accepted"]
    assert [tried["settings"] for tried in report["tried"]] == [
        *ORDER,
        "per channel, MinMax, 1 layer in float",
        "per channel, MinMax, 2 layers in float",
    ]
    assert report["reason"].startswith("none of 6 settings is as accurate as model.onnx; the best one: ")
    assert f"no model.int8.onnx (the network in 8-bit integers): {report['reason']}" in progress.infos


def test_too_few_validation_images_cannot_judge_it(tmp_path: Path) -> None:
    """If they must, that is known before the training."""
    photos = write_folder(tmp_path / "photos")
    result = fit(photos, tmp_path / "run", "--epochs", "1")
    (count,) = re.findall(r"(\d+) validation drawn", result.stderr)
    reason = f"{count} validation images cannot exclude a loss of 2 points of accuracy; 96 can"
    assert f"no model.int8.onnx (the network in 8-bit integers): {reason}\n" in result.stderr
    assert read_bundle(tmp_path / "run" / "bundle").metrics["int8"]["reason"] == reason
    required = fit(photos, tmp_path / "other", "--int8", "require")
    assert f"error: --int8 require, but {reason}" in error_of(required)
    assert not (tmp_path / "other").exists()


def test_a_network_that_cannot_be_quantized_keeps_its_bundle(doubtful: Exportable) -> None:
    """It says why."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Softmax", ["mean"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean colour",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 32, 32, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.array([1, 2]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=8)
    calibration = Calibration(task="classification", temperature=1.0, thresholds=())
    draft = ModelDraft(data=model.SerializeToString(), calibration=calibration, head=None)
    found = choose_int8(draft, doubtful, threads=1, progress=NoProgress())
    assert found.draft is None
    assert found.report["reason"] == "onnxruntime cannot quantize this network: it has no layer with weights"


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_a_temperature_is_added_to_a_graph(task: str) -> None:
    model = make_model(make_head(3), task=task)
    pixels = load(make_image("red"), load_backbone("tiny").pixels).pixels
    plain, softer = (
        ort.InferenceSession(data, providers=["CPUExecutionProvider"]).run(["probabilities"], {"image": pixels[None]})
        for data in (model, with_temperature(model, 2.0))
    )
    expected = np.sqrt(plain[0]) / (np.sqrt(plain[0]) + (np.sqrt(1 - plain[0]) if task == "multilabel" else 0))
    if task == "classification":
        expected = expected * 0 + np.sqrt(plain[0]) / np.sqrt(plain[0]).sum()
    assert softer[0] == pytest.approx(expected, abs=1e-5)
    assert with_temperature(model, 1.0) == model


def test_a_multilabel_file_has_thresholds_of_its_own(tmp_path: Path) -> None:
    table = write_tagged_csv(tmp_path / "tagged", images=240)
    columns = ("--label-column", "tags", "--label-delimiter", ";", "--valid-fraction", "0.5")
    result = fit(table, tmp_path / "run", *columns, "--int8", "require")
    assert result.exit_code == 0, result.stderr
    bundle = read_bundle(tmp_path / "run" / "bundle")
    for name in (FP32, INT8):
        measured = bundle.metrics_of(name)["calibration"]
        assert sum(part["count"] for part in measured["bins"]) == measured["images"] * len(bundle.spec.classes)
    assert "average over all\nimages and classes" in bundle.card
    models = bundle.spec.models
    assert models[FP32].thresholds == pytest.approx(models[INT8].thresholds, abs=0.05)
    assert models[FP32].thresholds != models[INT8].thresholds
