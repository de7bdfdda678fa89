"""Backbones by name: a network without its classification layers, and the record of how its images are prepared.

The names are listed in `trainer.model.networks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from service.pixels import PixelSpec
from trainer.errors import BackboneError, WeightsError
from trainer.model.networks import TINY, build_network
from trainer.model.weights import load_weights_file
from trainer.recipe import PRETRAINED, RANDOM_WEIGHTS


@dataclass(frozen=True, kw_only=True, eq=False)
class Backbone:
    """A network without its last linear layer, and how its images are prepared.

    Attributes:
        name: As `load_backbone` accepts it.
        body: float32 normalised [N, 3, size, size] -> embedding [N, embedding_dim]; has its own pooling and norms.
        embedding_dim: Length of the embedding.
        pixels: How the service prepares an image.
        mean: Of the three channels, for pixel values in 0..1.
        std: Of the three channels, for pixel values in 0..1.
        pretrained: Whether the weights come from a training; False for random ones.
        fixed_input_size: Whether the body accepts only images of `pixels.size`.
        removed: Names of the classification layers that were removed.
    """

    name: str
    body: nn.Module
    embedding_dim: int
    pixels: PixelSpec
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pretrained: bool
    fixed_input_size: bool
    removed: tuple[str, ...] = ()


def load_backbone(name: str, *, size: int | None = None, weights: str = PRETRAINED, seed: int = 0) -> Backbone:
    """Load a backbone by name, on the CPU.

    Args:
        name: Such as `efficientnet_lite0`, `torchvision/resnet18` or `timm/convnext_atto`.
        size: Side of its input, pixels; None: the size in the backbone's record.
        weights: `pretrained`, `none` (random) or the path of a .safetensors, .pth or .pt file, see
            `load_weights_file`.
        seed: Of random weights. Seeds torch's global generator.

    Raises:
        BackboneError: If the name is unknown, the weights are missing or do not fit, the network does not accept
            images of this size, or it has no linear layer at its end.
    """
    torch.manual_seed(seed)
    network = build_network(name, size=size, weights=weights)
    body = network.module
    embedding_dim = _remove_classifier(body, network.classifier, name)
    if weights not in (PRETRAINED, RANDOM_WEIGHTS):
        _load_file(body, Path(weights), name, removed=network.classifier)
    _require_embedding(body, network.pixels.size, embedding_dim, name)
    for module in body.modules():  # the only dropout is that of Classifier
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return Backbone(
        name=name,
        body=body,
        embedding_dim=embedding_dim,
        pixels=network.pixels,
        mean=network.mean,
        std=network.std,
        pretrained=is_pretrained(name, weights),
        fixed_input_size=network.fixed_input_size,
        removed=network.classifier,
    )


def is_pretrained(name: str, weights: str) -> bool:
    """Return whether `load_backbone` gives trained weights for these arguments; `tiny` has none of its own."""
    return weights != RANDOM_WEIGHTS and not (name == TINY and weights == PRETRAINED)


def _remove_classifier(network: nn.Module, layer_names: Sequence[str], name: str) -> int:
    """Replace the classification layers with identities.

    A network that was trained without labels has identities there already. One with two layers, such as a distilled
    one, gives the mean of their outputs, which then is the mean of their inputs.

    Returns:
        Length of the embedding.
    """
    layers = [network.get_submodule(layer_name) for layer_name in layer_names]
    if layers and all(isinstance(layer, nn.Identity) for layer in layers) and isinstance(network.num_features, int):
        return network.num_features
    dims = {layer.in_features for layer in layers if isinstance(layer, nn.Linear)}
    if len(dims) != 1 or not all(isinstance(layer, nn.Linear) for layer in layers):
        raise BackboneError(f"{name} does not end in a linear layer; choose another backbone")
    for layer_name in layer_names:
        network.set_submodule(layer_name, nn.Identity())
    return dims.pop()


def _load_file(body: nn.Module, path: Path, name: str, *, removed: Sequence[str]) -> None:
    try:
        load_weights_file(body, path, removed=removed)
    except FileNotFoundError as error:
        raise BackboneError(f"there is no weights file {path}") from error
    except WeightsError as error:
        raise BackboneError(
            f"{path} does not hold the weights of {name}: {error}; give a state dict of this network"
        ) from error


def _require_embedding(body: nn.Module, size: int, embedding_dim: int, name: str) -> None:
    """Raise BackboneError if the body does not give one embedding per image at this size: it is tried."""
    body.eval()
    try:
        with torch.no_grad():
            output = body(torch.zeros(2, 3, size, size))
    except Exception as error:  # networks of other libraries raise any type for a size that they do not accept
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(f"{name} does not accept images of {size} pixels: {reason}") from error
    if not isinstance(output, Tensor) or output.shape != (2, embedding_dim):
        raise BackboneError(f"{name} gives more than one vector per image; choose another backbone")
