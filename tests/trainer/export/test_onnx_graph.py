"""Graphs after each change against the graph before: what is computed stays, and what is not needed goes."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from service.bundle import onnx_file
from service.pixels import UInt8Array
from trainer.export.graph import CalibratedClassifier, find_feature_layer, to_onnx
from trainer.export.onnx_graph import take_bytes, widen_stem
from trainer.model import Backbone, Classifier, load_backbone
from trainer.training.calibration import Calibration

Probabilities = npt.NDArray[np.float32]


class Stem(nn.Module):
    """A first convolution with any geometry, its activation, and the mean."""

    def __init__(self, *, padding: int, stride: int, kernel: int, bias: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 6, kernel, stride=stride, padding=padding, bias=bias)
        self.activation = nn.ReLU6()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.activation(self.convolution(pixels)).mean((2, 3))  # type: ignore[no-any-return]


def exported(backbone: Backbone) -> onnx.ModelProto:
    classifier = Classifier(backbone, class_count=5).eval()
    torch.nn.init.normal_(classifier.head.weight, std=0.05, generator=torch.Generator().manual_seed(0))
    calibration = Calibration(task="classification", temperature=1.0, thresholds=())
    layer = find_feature_layer(classifier, size=backbone.pixels.size)
    onnx_bytes = to_onnx(
        CalibratedClassifier(classifier, calibration=calibration, feature_layer=layer), size=backbone.pixels.size
    )
    return onnx.load_from_string(onnx_bytes)


def with_stem(
    *, size: int = 32, padding: int = 1, stride: int = 2, kernel: int = 3, bias: bool = True
) -> onnx.ModelProto:
    """A graph with ImageNet's mean and standard deviation."""
    torch.manual_seed(0)
    body = Stem(padding=padding, stride=stride, kernel=kernel, bias=bias)
    tiny = load_backbone("tiny", size=size)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return exported(dataclasses.replace(tiny, body=body, embedding_dim=6, mean=mean, std=std))


@pytest.fixture(scope="module")
def default_network() -> onnx.ModelProto:
    return exported(load_backbone("efficientnet_lite0", size=64))


def images(size: int) -> UInt8Array:
    return np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)


def run(model: onnx.ModelProto, batch: UInt8Array) -> Probabilities:
    onnx_file.check(model.SerializeToString(), "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    probabilities: Probabilities = session.run(["probabilities"], {"image": batch})[0]
    return probabilities


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def test_the_default_network_has_no_operator_that_it_does_not_need(default_network: onnx.ModelProto) -> None:
    """Batch norms and standard deviations are in the weights; pooling was surrounded by twelve more nodes."""
    assert operators(default_network) == {
        **{"Conv": 49, "Clip": 33, "Add": 9},
        **dict.fromkeys(("Transpose", "Cast", "Sub", "ReduceMean", "Reshape", "Gemm", "Softmax"), 1),
    }


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("padding", "size"), [(1, 32), (0, 32), (1, 64)])
def test_a_wide_stem_computes_the_same(padding: int, size: int, bias: bool) -> None:
    model = with_stem(size=size, padding=padding, bias=bias)
    take_bytes(model)
    before = run(model, images(size))
    is_usual = padding == 1  # without padding, the last column is not there
    widen_stem(model)
    assert ("Reshape" in Counter(node.op_type for node in model.graph.node[:2])) == is_usual
    assert np.abs(run(model, images(size)) - before).max() < 1e-5


def test_a_wide_stem_of_the_default_network_computes_the_same(default_network: onnx.ModelProto) -> None:
    """It pads on the right and below alone, as TensorFlow does."""
    model = copy.deepcopy(default_network)
    take_bytes(model)
    before = run(model, images(64))
    widen_stem(model)
    assert operators(model)["Reshape"] == 3
    assert np.abs(run(model, images(64)) - before).max() < 1e-5


@pytest.mark.parametrize("other", [{"kernel": 5, "padding": 2}, {"stride": 1}, {"size": 34}, {"stride": 4}])
def test_another_stem_stays_as_it_is(other: dict[str, int]) -> None:
    model = with_stem(**other)
    take_bytes(model)
    before = model.SerializeToString()
    widen_stem(model)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("bias", [True, False])
def test_the_bytes_of_the_image_give_the_same_but_at_the_border(bias: bool) -> None:
    padded, unpadded = with_stem(bias=bias), with_stem(bias=bias, padding=0)
    for model, largest in ((unpadded, 1e-5), (padded, 0.02)):
        before = run(model, images(32))
        take_bytes(model)
        assert not {"Cast", "Sub"} & set(operators(model))
        assert operators(model)["DequantizeLinear"] == 1
        assert np.abs(run(model, images(32)) - before).max() < largest


def test_networks_whose_image_goes_elsewhere_stay_as_they_are() -> None:
    model = exported(load_backbone("timm/vit_tiny_patch16_224", weights="none"))
    before = run(model, images(224))
    take_bytes(model)
    widen_stem(model)
    assert np.abs(run(model, images(224)) - before).max() < 1e-5
