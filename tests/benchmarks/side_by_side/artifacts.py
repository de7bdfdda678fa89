"""The model for the other servers, written once from a run: the same network as an ONNX file and torch weights."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import safetensors.torch
import timm

from service.bundle import FP32, INT8, read_bundle
from trainer.model import Classifier, load_backbone

_ARCHITECTURES = {"efficientnet_lite0": "tf_efficientnet_lite0"}  # their names in timm


def export(run: Path, folder: Path) -> None:
    """Write into `folder`, from a folder that `trainer fit` wrote:

    model.onnx          that of the bundle, and model.int8.onnx
    model.safetensors   the best weights, for timm's network `architecture` of model.json with as many classes
    model.json          architecture, classes, resize_short, size, filter, mean, std

    Raises ValueError if not every server can use the run's backbone or pixels, or if the bundle has no model.int8.onnx.
    """
    name = tomllib.loads((run / "recipe.toml").read_text())["backbone"]
    bundle = read_bundle(run / "bundle")
    spec = bundle.spec
    if INT8 not in bundle.models:
        raise ValueError(f"{run} has no {INT8}")
    if name not in _ARCHITECTURES or spec.task != "classification" or spec.pixels.mode != "crop":
        raise ValueError(f"{run} is no classification with {', '.join(_ARCHITECTURES)} and pixels of mode `crop`")
    backbone = load_backbone(name, weights="none")
    classifier = Classifier(backbone, class_count=len(spec.classes))
    classifier.load_state_dict(safetensors.torch.load_file(run / "checkpoints" / "best.safetensors"))
    network = timm.create_model(_ARCHITECTURES[name], num_classes=len(spec.classes))
    head = {f"classifier.{part}": tensor for part, tensor in classifier.head.state_dict().items()}
    network.load_state_dict({**classifier.body.state_dict(), **head})
    safetensors.torch.save_file(network.state_dict(), folder / "model.safetensors")
    for file in (FP32, INT8):
        shutil.copyfile(run / "bundle" / file, folder / file)
    facts = {"architecture": _ARCHITECTURES[name], "classes": spec.classes, "mean": backbone.mean, "std": backbone.std}
    (folder / "model.json").write_text(json.dumps({**facts, **spec.pixels.to_json()}))
