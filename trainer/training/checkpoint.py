"""Weights and training states on disk: safetensors, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from trainer.atomic import atomic_write_bytes

_FACTS = "facts"


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the model's state dict; what stood there before is replaced in one rename."""
    save_state(path, model.state_dict(), {})


def load_weights(model: nn.Module, path: Path) -> None:
    """Read what `save_weights` wrote into a model of the same shape."""
    model.load_state_dict(safetensors.torch.load_file(path))


def save_state(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and JSON values into one file; what stood there before is replaced in one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    atomic_write_bytes(path, safetensors.torch.save(copies, metadata={_FACTS: json.dumps(facts)}))


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, facts) that `save_state` wrote."""
    with safetensors.safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, load_facts(path)  # noqa: SIM118  (no mapping)


def load_facts(path: Path) -> dict[str, Any]:
    """The JSON values alone."""
    with safetensors.safe_open(path, "pt") as file:
        facts: dict[str, Any] = json.loads(file.metadata()[_FACTS])
        return facts
