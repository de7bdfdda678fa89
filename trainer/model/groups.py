"""Which parameters learn how fast: stem and early | late | head."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from torch import nn

from trainer.model.classifier import Classifier
from trainer.recipe import PARAMETER_GROUPS


def parameter_groups(model: Classifier, *, weight_decay: float) -> list[dict[str, Any]]:
    """Optimizer groups, each with `name` (early, late or head), `params` and `weight_decay`.

    The body is split at half of its parameters, in the order in which it names them. Norms and biases, all that is
    one-dimensional, are not decayed (as in timm and fastai 2), nor what the backbone itself says should not be, such as
    position embeddings (timm's `no_weight_decay`).
    """
    body = [parameter for parameter in model.body.parameters() if parameter.requires_grad]
    undecayed: set[str] = getattr(model.body, "no_weight_decay", set)()
    spared = {id(parameter) for name, parameter in model.body.named_parameters() if name in undecayed}
    half = sum(parameter.numel() for parameter in body) / 2
    early: list[nn.Parameter] = []
    late: list[nn.Parameter] = []
    seen = 0
    for parameter in body:
        (early if seen < half else late).append(parameter)
        seen += parameter.numel()
    groups = []
    for name, parameters in zip(PARAMETER_GROUPS, (early, late, list(model.head.parameters())), strict=True):
        decayed = [parameter for parameter in parameters if parameter.ndim > 1 and id(parameter) not in spared]
        plain = [parameter for parameter in parameters if parameter.ndim <= 1 or id(parameter) in spared]
        groups += [
            {"name": name, "params": decayed, "weight_decay": weight_decay},
            {"name": name, "params": plain, "weight_decay": 0.0},
        ]
    return [group for group in groups if group["params"]]


def set_frozen(model: Classifier, groups: Iterable[Mapping[str, Any]], names: Collection[str]) -> None:
    """Let the named groups learn nothing and all others learn.

    model   in training mode
    groups  what `parameter_groups` gave for it

    Autograd does not go back beyond the first layer that learns. Batch norms whose weights are frozen keep their
    statistics too.
    """
    for group in groups:
        for parameter in group["params"]:
            parameter.requires_grad_(group["name"] not in names)
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.training = False
