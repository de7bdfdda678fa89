"""A classifier from weights that another program trained: the whole network, with its last layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from trainer.errors import WeightsError
from trainer.model.backbones import Backbone, load_backbone
from trainer.model.classifier import Classifier
from trainer.model.fastai_head import FastaiBody, has_fastai_names
from trainer.model.preprocessing import Preprocessing
from trainer.model.weights import load_body, read_weights_file
from trainer.recipe import RANDOM_WEIGHTS

_OWN_HEAD = "head"  # of a run's best.safetensors


@dataclass(frozen=True, kw_only=True, eq=False)
class ImportedClassifier:
    """A network with the weights of a file.

    Attributes:
        classifier: The network, in eval mode, on the CPU.
        backbone: How its images are prepared.
        classes: Names of the classes, if the file has them.
    """

    classifier: Classifier
    backbone: Backbone
    classes: tuple[str, ...]


def load_classifier(name: str, path: Path, given: Preprocessing) -> ImportedClassifier:
    """Load a network with its classification layer from a file of weights.

    Args:
        name: Of the backbone, see `load_backbone`.
        path: A state dict, a checkpoint that has one, or a .safetensors file; see `read_weights_file`. Its names are
            those of the backbone's library, or those that fastai's `vision_learner` gives.
        given: How images are prepared where the backbone's record does not say what was done.

    Raises:
        BackboneError: The backbone is unknown or does not accept this size.
        ImportModelError: What is given does not go together.
        WeightsError: The file is not one of weights, or not of this network.
    """
    backbone = load_backbone(name, size=given.size, weights=RANDOM_WEIGHTS)
    backbone = replace(
        backbone,
        pixels=given.pixels(backbone.pixels),
        mean=given.mean or backbone.mean,
        std=given.std or backbone.std,
    )
    try:
        file = read_weights_file(path)
        if has_fastai_names(file.tensors):
            body = FastaiBody(backbone.body, file.tensors)
            backbone = replace(backbone, body=body, embedding_dim=body.embedding_dim)
            weight, bias = body.last_layer
        else:
            weight, bias = _last_layer(backbone, file.tensors)
    except FileNotFoundError as error:
        raise WeightsError(f"there is no file {path}") from error
    except WeightsError as error:
        raise WeightsError(f"{path} does not hold the weights of {name}: {error}") from error
    classifier = Classifier(backbone, class_count=len(weight))
    classifier.head.load_state_dict({"weight": weight, "bias": weight.new_zeros(len(weight)) if bias is None else bias})
    return ImportedClassifier(classifier=classifier.eval(), backbone=backbone, classes=file.classes)


def _last_layer(backbone: Backbone, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Load the body, and return weight [K, embedding_dim] and bias of the layer on it."""
    own = load_body(backbone.body, tensors, removed=(*backbone.removed, _OWN_HEAD))
    if len(backbone.removed) != 1:
        raise WeightsError(f"the network has {len(backbone.removed)} classification layers, not one")
    (layer,) = backbone.removed
    weight, bias = own.get(f"{layer}.weight"), own.get(f"{layer}.bias")
    if weight is None and f"{_OWN_HEAD}.weight" in tensors:
        weight, bias = tensors[f"{_OWN_HEAD}.weight"], tensors.get(f"{_OWN_HEAD}.bias")
    if weight is None:
        found = [name for name in own if name.startswith(f"{layer}.")]
        raise WeightsError(
            f"it has no {layer}.weight{f', but {found[0]}' if found else ''}: the network must end in one linear "
            "layer; export another one to ONNX, and import that file"
        )
    if weight.ndim != 2 or weight.shape[1] != backbone.embedding_dim:
        raise WeightsError(f"{layer}.weight is {[*weight.shape]}, not [classes, {backbone.embedding_dim}]")
    return weight.float(), None if bias is None else bias.float()
