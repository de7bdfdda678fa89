"""The exported graph against torch, for every kind of backbone that is promised to work."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest
import torch

from service.bundle import FP32, ModelSpec, Spec, onnx_file
from trainer.export.draft import ModelDraft, draft_predictor
from trainer.export.graph import CalibratedClassifier, find_feature_layer, strip_metadata, to_onnx
from trainer.model import Classifier, load_backbone
from trainer.training.calibration import Calibration

WITH_FEATURES = {
    *("tiny", "efficientnet_lite0", "torchvision/resnet18", "torchvision/resnet34", "torchvision/resnet50"),
    *("torchvision/regnet_y_400mf", "torchvision/efficientnet_v2_s"),
}
BACKBONES = [
    "tiny",
    "efficientnet_lite0",
    "torchvision/resnet18",
    "torchvision/mobilenet_v3_small",
    "timm/convnext_atto",
    "timm/vit_tiny_patch16_224",
]
LARGE_BACKBONES = [
    "torchvision/resnet34",
    "torchvision/resnet50",
    "torchvision/mobilenet_v3_large",
    "torchvision/convnext_tiny",
    "torchvision/vit_b_16",
    "torchvision/regnet_y_400mf",
    "torchvision/efficientnet_v2_s",
]


@pytest.mark.parametrize(
    "name", [*BACKBONES, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE_BACKBONES)]
)
def test_onnxruntime_predicts_what_torch_predicts_at_any_batch_size(name: str) -> None:
    backbone = load_backbone(name, size=None if "vit" in name or name == "tiny" else 64, weights="none")
    classifier = Classifier(backbone, class_count=5).eval()
    torch.nn.init.normal_(classifier.head.weight, std=0.5, generator=torch.Generator().manual_seed(0))
    size = backbone.pixels.size
    feature_layer = find_feature_layer(classifier, size=size)
    assert (feature_layer is not None) == (name in WITH_FEATURES)
    spec = Spec(
        task="classification",
        classes=tuple("abcde"),
        pixels=backbone.pixels,
        models={FP32: ModelSpec(thresholds=())},
    )
    calibration = Calibration(task="classification", temperature=1.0, thresholds=())
    model = CalibratedClassifier(classifier, calibration=calibration, feature_layer=feature_layer)
    onnx_bytes = to_onnx(model, size=size)
    onnx_file.check(onnx_bytes, "model.onnx")
    head = classifier.head.weight.detach().numpy() if feature_layer is not None else None
    draft = ModelDraft(data=onnx_bytes, calibration=calibration, head=head)
    predictor = draft_predictor(spec, draft, model_file=FP32)
    images = np.random.default_rng(0).integers(0, 256, (7, size, size, 3), dtype=np.uint8)
    for count in (1, 2, 7):
        expected = model.probabilities(images[:count])
        assert np.abs(predictor.probabilities(images[:count]) - expected).max() < 5e-5  # export allows 1e-4
    if head is not None:
        maps = predictor.features(images)
        with torch.no_grad():
            logits = classifier(torch.from_numpy(images).permute(0, 3, 1, 2).float())
        assert maps.mean((2, 3)) @ head.T == pytest.approx(
            (logits - classifier.head.bias.detach()).numpy(), abs=1e-3, rel=1e-3
        )


def test_temperature_and_sigmoid_are_inside_the_graph() -> None:
    backbone = load_backbone("tiny")
    classifier = Classifier(backbone, class_count=3).eval()
    torch.nn.init.normal_(classifier.head.weight, generator=torch.Generator().manual_seed(0))
    spec = Spec(
        task="multilabel",
        classes=("a", "b", "c"),
        pixels=backbone.pixels,
        models={FP32: ModelSpec(thresholds=(0.5, 0.5, 0.5), temperature=2.0)},
    )
    calibration = Calibration(task="multilabel", temperature=2.0, thresholds=(0.5, 0.5, 0.5))
    model = CalibratedClassifier(classifier, calibration=calibration, feature_layer=None)
    draft = ModelDraft(data=to_onnx(model, size=32), calibration=calibration, head=None)
    predictor = draft_predictor(spec, draft, model_file=FP32)
    images = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        logits = classifier(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    assert predictor.probabilities(images) == pytest.approx(torch.sigmoid(logits / 2).numpy(), abs=1e-6)


def test_metadata_is_stripped_from_every_message() -> None:
    entry = onnx.StringStringEntryProto(key="pkg.torch.onnx.stack_trace", value='File "/home/someone/model.py"')
    weight = onnx.TensorProto(name="w", raw_data=b"data", doc_string="secret", metadata_props=[entry])
    value = onnx.ValueInfoProto(name="x", doc_string="secret", metadata_props=[entry])
    inner = onnx.GraphProto(name="inner", doc_string="secret", initializer=[weight], metadata_props=[entry])
    branch = onnx.AttributeProto(name="then_branch", doc_string="secret", type=5, g=inner)
    constant = onnx.AttributeProto(name="value", type=4, t=weight)
    node = onnx.NodeProto(
        name="node", op_type="If", doc_string="secret", attribute=[branch, constant], metadata_props=[entry]
    )
    graph = onnx.GraphProto(
        name="graph", doc_string="secret", node=[node], input=[value], output=[value], value_info=[value],
        initializer=[weight], metadata_props=[entry],
    )  # fmt: skip
    function = onnx.FunctionProto(
        name="function", doc_string="secret", node=[node], value_info=[value], metadata_props=[entry]
    )
    model = onnx.ModelProto(doc_string="secret", graph=graph, functions=[function], metadata_props=[entry])
    private = re.compile(b"secret|stack_trace|someone")
    assert private.search(model.SerializeToString())
    strip_metadata(model)
    stripped = model.SerializeToString()
    assert not private.search(stripped)
    for kept in (b"function", b"then_branch", b"inner", b"If", b"data"):
        assert kept in stripped
