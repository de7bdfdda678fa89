"""Weights of a network in a file, whoever wrote it: what surrounds them, and how their names begin, may differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from trainer.errors import WeightsError

# Where training scripts put a network in what they save; a moving average comes before what it is the average of.
_PLACES = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")


def load_weights_file(network: nn.Module, path: Path, *, without: Sequence[str]) -> None:
    """Put the tensors of a file into a network whose last layers were cut off.

    network  every tensor of it must be in the file, in its shape
    path     .safetensors, or what torch.save wrote: a state dict, or a checkpoint that has one. Its names may begin
             with whatever a wrapper put before them, such as `module.` or, in a run's best.safetensors, `body.`
    without  names of the layers that were cut off, which the file may hold in any shape

    Raises FileNotFoundError, or WeightsError where the file cannot be read, or holds less or more than the network.
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
    tensors = _without_prefix(_tensors_of(state), [name for name, _ in network.named_parameters()])
    kept = {
        name: tensor for name, tensor in tensors.items() if not name.startswith(tuple(f"{cut}." for cut in without))
    }
    try:
        network.load_state_dict(kept)
    except RuntimeError as error:
        raise WeightsError(_one_line(error)) from error


def _tensors_of(state: Any) -> dict[str, Tensor]:
    for place in _PLACES:
        if isinstance(state, Mapping) and isinstance(state.get(place), Mapping):
            state = state[place]
    if not isinstance(state, Mapping):
        raise WeightsError(f"it holds one {type(state).__name__} and no weights by name")
    return {str(name): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}


def _without_prefix(tensors: Mapping[str, Tensor], wanted: Sequence[str]) -> dict[str, Tensor]:
    """The tensors whose names begin as the longest of the wanted names does in the file, without that beginning."""
    longest = max(wanted, key=len)
    prefixes = [name.removesuffix(longest) for name in tensors if name == longest or name.endswith(f".{longest}")]
    if not prefixes:
        raise WeightsError(f"it has no {longest}, but {', '.join(list(tensors)[:3]) or 'no tensor'}, ...")
    if len(prefixes) > 1:
        raise WeightsError(f"it holds several such networks, {' and '.join(sorted(prefixes))}; give a file with one")
    return {name.removeprefix(prefixes[0]): each for name, each in tensors.items() if name.startswith(prefixes[0])}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
