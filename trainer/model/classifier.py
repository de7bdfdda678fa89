"""A backbone with one linear layer on top, and its parameter groups: early layers, late layers, head."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.model.backbones import Backbone
from trainer.recipe import PARAMETER_GROUPS


class Classifier(nn.Module):
    """A network from pixels to logits.

    Attributes:
        body: The backbone's body. If it is pretrained, its batch norms keep their statistics in training: see `train`.
        head: The new linear layer. It starts from zero: at first every class is equally probable.
        dropout: Probability before the head, in training.
        train_norms: Whether the batch norms of the body learn their statistics; only with random weights.
        mean: float32 [1, 3, 1, 1], for pixel values in 0..255.
        std: float32 [1, 3, 1, 1], for pixel values in 0..255.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, *, class_count: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = backbone.body
        self.head = nn.Linear(backbone.embedding_dim, class_count)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.dropout = dropout
        self.train_norms = not backbone.pretrained
        # The record gives them for pixels in 0..1; here pixels are 0..255.
        self.register_buffer("mean", 255 * torch.tensor(backbone.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(backbone.std).view(1, 3, 1, 1), persistent=False)

    def embed(self, pixels: Tensor) -> Tensor:
        """Compute the input of the head: float32 [N, 3, H, W] in 0..255 -> float32 [N, embedding_dim]."""
        embedding: Tensor = self.body((pixels - self.mean) / self.std)
        return embedding

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits: float32 [N, 3, H, W] in 0..255 -> float32 [N, K]."""
        logits: Tensor = self.head(F.dropout(self.embed(pixels), self.dropout, self.training))
        return logits

    def train(self, mode: bool = True) -> Classifier:
        """Set training mode, in which the batch norms of a pretrained body still use their pretrained statistics.

        Small batches of a few thousand images estimate them worse than ImageNet did, and the head stage was trained on
        embeddings that they gave. A body with random weights has no such statistics and must learn them.
        """
        super().train(mode)
        if mode and not self.train_norms:
            for module in self.body.modules():
                if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
                    module.eval()
        return self


def parameter_groups(model: Classifier, *, weight_decay: float) -> list[dict[str, Any]]:
    """Group the parameters for an optimizer.

    The body is split into early and late at half of its parameters, in the order in which it lists them. Norms and
    biases (one-dimensional parameters) are not decayed, as in timm and fastai 2, nor what the backbone itself excludes,
    such as position embeddings (timm's `no_weight_decay`).

    Args:
        model: Its parameters that require a gradient are grouped.
        weight_decay: Of the parameters that are decayed.

    Returns:
        Optimizer groups with `name` (one of PARAMETER_GROUPS), `params` and `weight_decay`. None is empty; up to two
        have the same name.
    """
    body = [parameter for parameter in model.body.parameters() if parameter.requires_grad]
    excluded_names: set[str] = getattr(model.body, "no_weight_decay", set)()
    excluded = {id(parameter) for name, parameter in model.body.named_parameters() if name in excluded_names}
    half = sum(parameter.numel() for parameter in body) / 2
    early: list[nn.Parameter] = []
    late: list[nn.Parameter] = []
    count = 0
    for parameter in body:
        (early if count < half else late).append(parameter)
        count += parameter.numel()
    groups = []
    for name, parameters in zip(PARAMETER_GROUPS, (early, late, list(model.head.parameters())), strict=True):
        decayed = [parameter for parameter in parameters if parameter.ndim > 1 and id(parameter) not in excluded]
        not_decayed = [parameter for parameter in parameters if parameter.ndim <= 1 or id(parameter) in excluded]
        groups += [
            {"name": name, "params": decayed, "weight_decay": weight_decay},
            {"name": name, "params": not_decayed, "weight_decay": 0.0},
        ]
    return [group for group in groups if group["params"]]


def set_frozen(model: Classifier, groups: Iterable[Mapping[str, Any]], names: Collection[str]) -> None:
    """Freeze the named parameter groups and unfreeze all others.

    Autograd does not go back beyond the first layer that learns. Batch norms whose weights are frozen keep their
    statistics too.

    Args:
        model: In training mode.
        groups: What `parameter_groups` returned for it.
        names: Of PARAMETER_GROUPS.
    """
    for group in groups:
        for parameter in group["params"]:
            parameter.requires_grad_(group["name"] not in names)
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.training = False
