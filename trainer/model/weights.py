"""Read the weights of a network from a file that another program may have written.

Such files differ in what surrounds the state dict, and in the prefix of its names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from trainer.errors import WeightsError

# Keys under which training scripts save a state dict; a moving average comes before the weights that it is made of.
_STATE_DICT_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")


def load_weights_file(network: nn.Module, path: Path, *, removed: Sequence[str]) -> None:
    """Load the tensors of a file into a network whose last layers were removed.

    Args:
        network: Every one of its tensors must be in the file, in the same shape.
        path: A .safetensors file, or one that torch.save wrote: a state dict, or a checkpoint that has one. Its names
            may have the prefix of a wrapper, such as `module.` or, in a run's best.safetensors, `body.`.
        removed: Names of the removed layers; the file may hold them in any shape.

    Raises:
        FileNotFoundError: If there is no such file.
        WeightsError: If the file cannot be read, or holds fewer or more tensors than the network.
    """
    try:
        if path.suffix == ".safetensors":
            state: Mapping[str, Any] = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch and safetensors each raise types of their own
        raise WeightsError(_one_line(error)) from error
    tensors = _without_prefix(_find_tensors(state), [name for name, _ in network.named_parameters()])
    prefixes = tuple(f"{name}." for name in removed)
    try:
        network.load_state_dict({name: tensor for name, tensor in tensors.items() if not name.startswith(prefixes)})
    except RuntimeError as error:
        raise WeightsError(_one_line(error)) from error


def _find_tensors(state: Any) -> dict[str, Tensor]:
    for key in _STATE_DICT_KEYS:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise WeightsError(f"it holds one {type(state).__name__} and no weights by name")
    return {str(name): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}


def _without_prefix(tensors: Mapping[str, Tensor], wanted: Sequence[str]) -> dict[str, Tensor]:
    """Keep the tensors that have the prefix of the network, and remove it; the longest wanted name shows the prefix."""
    longest = max(wanted, key=len)
    prefixes = [name.removesuffix(longest) for name in tensors if name == longest or name.endswith(f".{longest}")]
    if not prefixes:
        raise WeightsError(f"it has no {longest}, but {', '.join(list(tensors)[:3]) or 'no tensor'}, ...")
    if len(prefixes) > 1:
        raise WeightsError(f"it holds several such networks, {' and '.join(sorted(prefixes))}; give a file with one")
    return {name.removeprefix(prefixes[0]): each for name, each in tensors.items() if name.startswith(prefixes[0])}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
