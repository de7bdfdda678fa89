"""What fastai's `vision_learner` puts on a network: two poolings side by side, and two linear layers.

Its state dict numbers the layers of body (`0.`) and head (`1.`), so the tensors of the body are found by their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainer.errors import WeightsError

_BODY, _HEAD = "0.", "1."
_TIMM_BODY = "0.model."
_LAST = 8  # of the head: pooling, flatten, norm, dropout, linear, ReLU, norm, dropout, linear


def has_fastai_names(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these are the tensors of a network that fastai's `vision_learner` made."""
    return f"{_HEAD}{_LAST}.weight" in tensors and all(name.startswith((_BODY, _HEAD)) for name in tensors)


class FastaiBody(nn.Module):
    """A network up to its last feature map, and fastai's head on it up to the last linear layer.

    Attributes:
        embedding_dim: Length of what it gives for an image.
        last_layer: Weight [K, embedding_dim] and bias of the last layer, if it has one.
    """

    def __init__(self, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
        """Load the tensors.

        Args:
            network: A network of torchvision or timm without its classification layer.
            tensors: The state dict of the learner's model.

        Raises:
            WeightsError: They are not those of this network.
        """
        super().__init__()
        self.body = network
        self._features = _features(network)
        _load_body(network, tensors)
        head = {name.removeprefix(_HEAD): tensor for name, tensor in tensors.items() if name.startswith(_HEAD)}
        self.last_layer = head.pop(f"{_LAST}.weight"), head.pop(f"{_LAST}.bias", None)
        self.embedding_dim = int(self.last_layer[0].shape[1])
        self.head = _head(head)

    def forward(self, pixels: Tensor) -> Tensor:
        """float32 normalised [N, 3, size, size] -> float32 [N, embedding_dim]."""
        features = self._features(pixels)
        pooled = torch.cat([features.amax((2, 3)), features.mean((2, 3))], dim=1)
        embedding: Tensor = self.head(pooled)
        return embedding


def _features(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """What gives the last feature map: timm's own method, or the layers of torchvision before the pooling."""
    method = getattr(network, "forward_features", None)
    if method is not None:
        features: Callable[[Tensor], Tensor] = method
        return features
    children = list(network.children())
    if len(children) < 3 or not isinstance(children[-2], nn.AdaptiveAvgPool2d):
        raise WeightsError(
            "fastai's body of this network is not known; export the learner's model to ONNX, and import that"
        )
    return nn.Sequential(*children[:-2])


def _load_body(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    names = [*network.state_dict()]
    if any(name.startswith(_TIMM_BODY) for name in tensors):
        found = {name.removeprefix(_TIMM_BODY): each for name, each in tensors.items() if name.startswith(_TIMM_BODY)}
    else:
        body = [tensor for name, tensor in tensors.items() if name.startswith(_BODY)]
        if len(body) != len(names):
            raise WeightsError(f"the body has {len(body)} tensors, the network {len(names)}")
        found = dict(zip(names, body, strict=True))
    _load(network, found)


def _head(tensors: Mapping[str, Tensor]) -> nn.Sequential:
    linear = tensors.get("4.weight")
    if linear is None or linear.ndim != 2:
        raise WeightsError("its head is not the one of fastai's vision_learner")
    hidden, wide = linear.shape
    layers: dict[str, nn.Module] = {
        "2": nn.BatchNorm1d(wide),
        "4": nn.Linear(wide, hidden, bias="4.bias" in tensors),
        "5": nn.ReLU(inplace=True),
        "6": nn.BatchNorm1d(hidden),
    }
    head = nn.Sequential()
    for name, layer in layers.items():
        head.add_module(name, layer)
    _load(head, tensors)
    return head


def _load(module: nn.Module, tensors: Mapping[str, Any]) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(" ".join(str(error).split())[:300]) from error
