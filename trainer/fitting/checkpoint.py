"""Weights on disk: safetensors, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import safetensors.torch
from torch import nn


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the model's state dict; what stood there before is replaced in one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    try:
        with open(temporary, "wb") as file:
            file.write(safetensors.torch.save(state))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_weights(model: nn.Module, path: Path) -> None:
    """Read what `save_weights` wrote into a model of the same shape."""
    model.load_state_dict(safetensors.torch.load_file(path))
