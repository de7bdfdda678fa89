"""The output `ood` of a model file against the same numbers in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from service.bundle import onnx_file
from service.pixels import UInt8Array
from trainer.abstention.ood import fit_ood, with_entropy
from trainer.export.graph import CalibratedClassifier, find_feature_layer, to_onnx
from trainer.export.int8 import CalibrationImages, QuantizationSettings, quantize
from trainer.export.ood_graph import NoScore, append_ood, embedder
from trainer.model import Classifier, load_backbone
from trainer.training.calibration import Calibration

SIZE = 32


@pytest.fixture(scope="module")
def images() -> UInt8Array:
    """They differ in colour, as strangers do."""
    random = np.random.default_rng(0)
    colours = random.integers(0, 200, (60, 1, 1, 3))
    return (colours + random.integers(0, 56, (60, SIZE, SIZE, 3))).astype(np.uint8)


def exported(temperature: float = 1.3) -> bytes:
    classifier = Classifier(load_backbone("tiny", size=SIZE), class_count=3).eval()
    torch.nn.init.normal_(classifier.head.weight, std=0.05, generator=torch.Generator().manual_seed(0))
    calibration = Calibration(task="classification", temperature=temperature, thresholds=())
    layer = find_feature_layer(classifier, size=SIZE)
    return to_onnx(CalibratedClassifier(classifier, calibration=calibration, feature_layer=layer), size=SIZE)


def run(model: bytes, images: UInt8Array, *names: str) -> list[npt.NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found: list[npt.NDArray[np.float32]] = session.run(list(names), {"image": images})
    return found


@pytest.fixture(scope="module", params=["fp32", "int8", "no temperature"])
def model(request: pytest.FixtureRequest, images: UInt8Array) -> bytes:
    fp32 = exported(1.0 if request.param == "no temperature" else 1.3)
    if request.param != "int8":
        return fp32
    return quantize(fp32, CalibrationImages(pixels=images[:8]), QuantizationSettings(per_channel=False))


@pytest.mark.parametrize("entropy", [True, False])
def test_the_graph_computes_the_scores_for_every_number_of_images(
    model: bytes, images: UInt8Array, entropy: bool
) -> None:
    outputs = embedder(model)(images)
    statistics = fit_ood(outputs.features, np.arange(len(images)) % 3)
    if entropy:
        statistics = with_entropy(statistics, outputs)
        assert statistics.entropy_weight > 0
    changed = append_ood(model, statistics)
    onnx_file.check(changed, "model.onnx")
    expected = statistics.scores(outputs)
    for count in (1, 2, 7):
        (found,) = run(changed, images[:count], "ood")
        assert found.dtype == np.float32
        assert found.shape == (count,)
        np.testing.assert_allclose(found, expected[:count], rtol=1e-4)


def test_what_the_model_file_computed_before_is_the_same_to_the_last_bit(model: bytes, images: UInt8Array) -> None:
    features = embedder(model)(images).features
    changed = append_ood(model, fit_ood(features, np.arange(len(images)) % 3))
    names = [output.name for output in onnx.load_from_string(model).graph.output]
    for before, after in zip(run(model, images[:3], *names), run(changed, images[:3], *names), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_same_model_and_statistics_give_the_same_bytes(model: bytes, images: UInt8Array) -> None:
    features = embedder(model)(images).features
    first, second = (append_ood(model, fit_ood(features, np.arange(len(images)) % 3)) for _ in range(2))
    assert first == second


def test_a_model_that_does_not_end_in_a_linear_layer_has_no_features() -> None:
    mean = helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["pixels"], to=onnx.TensorProto.FLOAT),
            mean,
            helper.make_node("Softmax", ["means"], ["probabilities"], axis=1),
        ],
        "colours",
        [helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.array([1, 2]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString()
    with pytest.raises(NoScore, match="its last layer is not a linear one"):
        embedder(model)
