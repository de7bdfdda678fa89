"""Read the weights of a network from a file that another program may have written.

Such files differ in what surrounds the state dict, and in the prefix of its names.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from trainer.errors import WeightsError

# Keys under which training scripts save the names of the classes.
_CLASSES_KEYS = ("classes", "class_names", "categories", "vocab")
# What a person types where the file was made, to get one that is read without running code.
_LINES_OF_FASTAI = (
    "import torch; from fastai.vision.all import load_learner",
    "learner = load_learner({path!r})",
    'torch.save({{"model": learner.model.state_dict(), "classes": [*map(str, learner.dls.vocab)]}}, "weights.pth")',
)
_LINES_OF_TORCHSCRIPT = (
    "import torch",
    'network = torch.jit.load({path!r}, map_location="cpu")',
    'torch.save(network.state_dict(), "weights.pth")',
)
_LINES_OF_PICKLE = (
    "import torch",
    'network = torch.load({path!r}, map_location="cpu", weights_only=False)',
    'torch.save(network.state_dict(), "weights.pth")',
)
# Keys under which training scripts save a state dict; a moving average comes before the weights that it is made of.
_STATE_DICT_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightsFile:
    """What a file of weights holds.

    Attributes:
        tensors: Name -> tensor, on the CPU.
        classes: Names of the classes; empty if it has none.
    """

    tensors: Mapping[str, Tensor]
    classes: tuple[str, ...] = ()


def read_weights_file(path: Path) -> WeightsFile:
    """Read the tensors of a file, without running code that is in it.

    Args:
        path: A .safetensors file, or one that torch.save wrote: a state dict, or a checkpoint that has one.

    Raises:
        FileNotFoundError: If there is no such file.
        WeightsError: If the file cannot be read, or holds no tensors by name.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise WeightsError(_with_lines(path, "a TorchScript program", _LINES_OF_TORCHSCRIPT))
    try:
        if path.suffix == ".safetensors":
            state: Any = safetensors.torch.load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of pickles that it refuses
                state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch and safetensors each raise types of their own
        raise WeightsError(_why_not_read(path, error)) from error
    return WeightsFile(tensors=_find_tensors(state), classes=_find_classes(state))


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
    load_body(network, read_weights_file(path).tensors, removed=removed)


def load_body(network: nn.Module, tensors: Mapping[str, Tensor], *, removed: Sequence[str]) -> dict[str, Tensor]:
    """Load tensors into a network whose last layers were removed.

    Args:
        network: Every one of its tensors must be there, in the same shape.
        tensors: Name -> tensor; see `load_weights_file` for the names.
        removed: Names of the removed layers.

    Returns:
        All tensors of the network, those of the removed layers among them, without a prefix.

    Raises:
        WeightsError: If there are fewer or more tensors than the network has.
    """
    tensors = _without_prefix(tensors, [name for name, _ in network.named_parameters()])
    prefixes = tuple(f"{name}." for name in removed)
    try:
        network.load_state_dict({name: tensor for name, tensor in tensors.items() if not name.startswith(prefixes)})
    except RuntimeError as error:
        raise WeightsError(_one_line(error)) from error
    return tensors


def _why_not_read(path: Path, error: Exception) -> str:
    """Say what a file is that cannot be read, and what to type where it was made."""
    if "PytorchStreamReader" in str(error):
        return "it is damaged: a part of it is missing; copy or download it again"
    if isinstance(error, (OSError, RuntimeError, safetensors.SafetensorError)):
        return _one_line(error)
    if isinstance(error, pickle.UnpicklingError):
        if "fastai" in str(error) or "fastcore" in str(error):
            return _with_lines(path, "a learner of fastai", _LINES_OF_FASTAI)
        if "Unsupported" in str(error):
            return _with_lines(path, "a pickle of more than weights", _LINES_OF_PICKLE)
    return "it is neither a file that torch.save wrote nor a .safetensors file"


def _with_lines(path: Path, kind: str, lines: Sequence[str]) -> str:
    typed = "; ".join(line.format(path=path.name) for line in lines)
    return (
        f"it is {kind}, and reading it would run code that is in it; if you trust it, type in the Python environment "
        f"that made it: {typed}"
    )


def _find_classes(state: Any) -> tuple[str, ...]:
    for key in _CLASSES_KEYS:
        found = state.get(key) if isinstance(state, Mapping) else None
        if isinstance(found, list) and found and all(isinstance(name, str) for name in found):
            return tuple(found)
    return ()


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
