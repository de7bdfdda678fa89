"""Batch norms that see a single value of each channel, of which there is no variance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def running_statistics_for_single_values(network: nn.Module) -> Iterator[None]:
    """Normalise by the running statistics wherever a batch norm sees one value of each channel.

    That happens if one image is processed alone and a layer's map is 1 x 1; torch raises ValueError there. All other
    batch norms work as before. For blocks that run the network itself: a compiled one does not see the change.

    Args:
        network: In training mode; afterwards it is as before.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]

    def choose(norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        values: Tensor = inputs[0]
        norm.training = values.numel() > values.shape[1]

    hooks = [norm.register_forward_pre_hook(choose) for norm in norms]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for norm in norms:
            norm.training = True
