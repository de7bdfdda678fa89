"""Quantization of a small network with random weights, whose layers are known."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from service.bundle import INT8, ModelSpec, Spec, onnx_file
from trainer.export.draft import ModelDraft, draft_predictor
from trainer.export.graph import CalibratedClassifier, find_feature_layer, to_onnx
from trainer.export.int8 import CalibrationImages, QuantizationError, QuantizationSettings, noisiest_layers, quantize
from trainer.model import Classifier, load_backbone
from trainer.training.calibration import Calibration

SETTINGS = [
    QuantizationSettings(per_channel=False),
    QuantizationSettings(per_channel=True),
    QuantizationSettings(per_channel=True, calibration="percentile"),
]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    found = Classifier(load_backbone("tiny", weights="none"), class_count=3).eval()
    torch.nn.init.normal_(found.head.weight, generator=torch.Generator().manual_seed(0))
    return found


@pytest.fixture(scope="module")
def fp32(classifier: Classifier) -> bytes:
    return exported(classifier)


@pytest.fixture(scope="module")
def images() -> CalibrationImages:
    return CalibrationImages(pixels=np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8))


def exported(classifier: Classifier) -> bytes:
    calibration = Calibration(task="classification", temperature=2.0, thresholds=())
    layer = find_feature_layer(classifier, size=32)
    return to_onnx(CalibratedClassifier(classifier, calibration=calibration, feature_layer=layer), size=32)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_same_inputs_and_outputs_in_a_quarter_of_the_bytes(
    fp32: bytes,
    images: CalibrationImages,
    classifier: Classifier,
    settings: QuantizationSettings,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """And what the calibrators print stays hidden."""
    data = quantize(fp32, images, settings)
    assert capfd.readouterr() == ("", "")
    assert len(data) < 0.35 * len(fp32)
    onnx_file.check(data, INT8)
    spec = Spec(
        task="classification",
        classes=("a", "b", "c"),
        pixels=load_backbone("tiny").pixels,
        models={INT8: ModelSpec(thresholds=())},
    )
    calibration = Calibration(task="classification", temperature=1.0, thresholds=())
    drafts = [
        ModelDraft(data=model, calibration=calibration, head=classifier.head.weight.detach().numpy())
        for model in (fp32, data)
    ]
    expected, found = (draft_predictor(spec, draft, model_file=INT8) for draft in drafts)
    assert found.probabilities(images.pixels) == pytest.approx(expected.probabilities(images.pixels), abs=0.05)
    reach = float(np.abs(expected.features(images.pixels)).max())
    assert found.features(images.pixels) == pytest.approx(expected.features(images.pixels), abs=0.1 * reach)


def test_the_same_arguments_give_the_same_bytes(fp32: bytes, images: CalibrationImages) -> None:
    settings = QuantizationSettings(per_channel=True)
    again = CalibrationImages(pixels=images.pixels.copy())
    assert quantize(fp32, images, settings) == quantize(fp32, again, settings)


def test_what_cannot_be_quantized_says_why(images: CalibrationImages) -> None:
    with pytest.raises(QuantizationError, match=r"^InvalidProtobuf: "):
        quantize(b"no model", images, QuantizationSettings(per_channel=True))


def test_weights_are_signed_and_activations_unsigned(fp32: bytes, images: CalibrationImages) -> None:
    model = onnx.load_from_string(quantize(fp32, images, QuantizationSettings(per_channel=False)))
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    quantized = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert quantized
    assert {weights[node.input[2]].dtype for node in quantized} == {np.dtype(np.uint8)}
    layers = [node for node in model.graph.node if node.op_type == "Conv"]
    made_by = {name: node for node in model.graph.node for name in node.output}
    assert {weights[made_by[layer.input[1]].input[0]].dtype for layer in layers} == {np.dtype(np.int8)}


def test_the_head_stays_in_float(fp32: bytes, images: CalibrationImages, classifier: Classifier) -> None:
    """Its weights are those of head.npy, or a heatmap would not be that of the prediction."""
    model = onnx.load_from_string(quantize(fp32, images, QuantizationSettings(per_channel=True)))
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    (head,) = [node for node in model.graph.node if node.op_type == "Gemm"]
    expected = classifier.head.weight.detach().numpy()
    assert any(np.array_equal(weights[head.input[1]], array) for array in (expected, expected.T))


def test_a_layer_that_loses_most_is_found_and_left_in_float(images: CalibrationImages) -> None:
    """One weight is so large that all others of its layer get the same step."""
    classifier = Classifier(load_backbone("tiny", weights="none"), class_count=3).eval()
    convolutions = [module for module in classifier.modules() if isinstance(module, torch.nn.Conv2d)]
    with torch.no_grad():
        convolutions[2].weight[0] *= 1000
    fp32 = exported(classifier)
    settings = QuantizationSettings(per_channel=False)
    first, *others = noisiest_layers(fp32, images, settings)
    assert len(others) == len(convolutions) - 1
    kept = QuantizationSettings(per_channel=False, float_layers=(first,))
    plain, mixed = (onnx.load_from_string(quantize(fp32, images, each)) for each in (settings, kept))
    before, after = (
        {tuple(tensor.dims) for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
        for model in (plain, mixed)
    )
    assert after - before == {tuple(convolutions[2].weight.shape)}
    assert str(kept) == "per tensor, MinMax, 1 layer in float"
