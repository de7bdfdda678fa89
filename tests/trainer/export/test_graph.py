"""The exported graph against torch, for every kind of backbone that is promised to work."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from service.bundle import Bundle, Spec, onnx_file
from service.bundle.manifest import Manifest
from service.predictor import Predictor
from trainer.export.graph import Served, find_features, to_onnx
from trainer.model import Classifier, load_backbone

WITH_FEATURES = {"tiny", "efficientnet_lite0", "torchvision/resnet18", "torchvision/resnet34"}
BACKBONES = [
    *sorted(WITH_FEATURES),
    "torchvision/mobilenet_v3_small",
    "timm/convnext_atto",
    "timm/vit_tiny_patch16_224",
]


@pytest.mark.parametrize("name", BACKBONES)
def test_answers_as_torch_does_at_any_batch_size(name: str) -> None:
    backbone = load_backbone(name, size=None if "vit" in name or name == "tiny" else 64, weights="none")
    classifier = Classifier(backbone, class_count=5).eval()
    torch.nn.init.normal_(classifier.head.weight, std=0.5, generator=torch.Generator().manual_seed(0))
    size = backbone.pixels.size
    features = find_features(classifier, size=size)
    assert (features is not None) == (name in WITH_FEATURES)
    spec = Spec(task="classification", classes=tuple("abcde"), pixels=backbone.pixels, thresholds=(0.0,))
    served = Served(classifier, spec=spec, features=features).eval()
    model = to_onnx(served, size=size)
    onnx_file.check(model, "model.onnx")
    head = classifier.head.weight.detach().numpy() if features is not None else None
    predictor = Predictor(draft(spec, model, head))
    images = np.random.default_rng(0).integers(0, 256, (7, size, size, 3), dtype=np.uint8)
    for count in (1, 2, 7):
        with torch.no_grad():
            output = served(torch.from_numpy(images[:count]))
        expected = (output[0] if isinstance(output, tuple) else output).numpy()
        assert np.abs(predictor.probabilities(images[:count]) - expected).max() < 1e-5
    if head is not None:
        maps = predictor.features(images)
        with torch.no_grad():
            logits = classifier(torch.from_numpy(images).permute(0, 3, 1, 2).float())
        assert maps.mean((2, 3)) @ head.T == pytest.approx((logits - classifier.head.bias.detach()).numpy(), abs=1e-3)


def test_temperature_and_sigmoid_are_inside_the_graph() -> None:
    backbone = load_backbone("tiny")
    classifier = Classifier(backbone, class_count=3).eval()
    torch.nn.init.normal_(classifier.head.weight, generator=torch.Generator().manual_seed(0))
    spec = Spec(
        task="multilabel", classes=("a", "b", "c"), pixels=backbone.pixels, thresholds=(0.5, 0.5, 0.5), temperature=2.0
    )
    served = Served(classifier, spec=spec, features=None)
    predictor = Predictor(draft(spec, to_onnx(served, size=32), None))
    images = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        logits = classifier(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    assert predictor.probabilities(images) == pytest.approx(torch.sigmoid(logits / 2).numpy(), abs=1e-6)


def draft(spec: Spec, model: bytes, head: np.ndarray | None) -> Bundle:
    return Bundle(
        manifest=Manifest(name="test", version="1", created="", producer={}, files={}),
        digest="", spec=spec, models={"model.onnx": model}, head=head, golden=(), metrics={}, card="",
    )  # fmt: skip
