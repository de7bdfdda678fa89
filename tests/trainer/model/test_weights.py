"""Weights files as users have them: from training scripts, wrappers and runs, for other classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from trainer.errors import BackboneError
from trainer.model import Classifier, load_backbone
from trainer.model.tiny import Tiny

State = dict[str, Tensor]


def with_prefix(state: State, prefix: str) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: with_prefix(state, "module."),
        lambda state: with_prefix(state, "module._orig_mod."),
        lambda state: with_prefix({name: each for name, each in state.items() if not name.startswith("fc.")}, "body."),
        lambda state: {name: each for name, each in state.items() if "num_batches_tracked" not in name},
        lambda state: with_prefix(state, "backbone.") | {"neck.weight": torch.zeros(3)},
    ],
    ids=["plain", "DataParallel", "compiled", "headless", "no counters", "part of another network"],
)
def test_weights_from_a_file(tmp_path: Path, suffix: str, wrap: Callable[[State], State]) -> None:
    """Regression: only a plain state dict with a head of the same classes was accepted."""
    state = Tiny(class_count=7).state_dict()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(wrap(state), path)
    else:
        safetensors.torch.save_file(wrap(state), path)
    backbone = load_backbone("tiny", weights=str(path))
    assert backbone.pretrained
    found = backbone.body.state_dict()
    assert found.keys() == {name for name in state if not name.startswith("fc.")}
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())  # missing counters are 0


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state, _: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1}},
        lambda state, _: {"model": with_prefix(state, "module.")},
        lambda state, other: {"state_dict": other, "state_dict_ema": state},
        lambda state, other: {"model": other, "model_ema": state},
    ],
)
def test_the_state_dict_in_a_checkpoint_of_a_training_script_is_loaded(
    tmp_path: Path, wrap: Callable[[State, State], dict[str, Any]]
) -> None:
    state, other = Tiny().state_dict(), Tiny().state_dict()
    torch.save(wrap(state, other), tmp_path / "checkpoint.pth.tar")
    found = load_backbone("tiny", weights=str(tmp_path / "checkpoint.pth.tar")).body.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())


def test_the_weights_of_a_run_are_accepted_for_other_classes(tmp_path: Path) -> None:
    classifier = Classifier(dataclasses.replace(load_backbone("tiny"), pretrained=True), class_count=3)
    safetensors.torch.save_file(classifier.state_dict(), tmp_path / "best.safetensors")
    found = load_backbone("tiny", weights=str(tmp_path / "best.safetensors")).body.state_dict()
    assert all(torch.equal(tensor, classifier.body.state_dict()[name]) for name, tensor in found.items())


def test_torchvision_weights_from_a_file(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    state = resnet18(num_classes=10).state_dict()
    torch.save(state, tmp_path / "weights.pt")
    backbone = load_backbone("torchvision/resnet18", weights=str(tmp_path / "weights.pt"))
    assert torch.equal(backbone.body.state_dict()["conv1.weight"], state["conv1.weight"])


class CodeInPickle:
    """Unpickling it calls a function."""

    def __reduce__(self) -> tuple[type[Path], tuple[str]]:
        return Path, ("code that runs while a file is loaded",)


def without(state: State, name: str) -> State:
    return {each: tensor for each, tensor in state.items() if each != name}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda state: state | {"layers.0.weight": CodeInPickle()}, "a pickle of more than weights"),
        (lambda _: {"other": torch.zeros(1)}, r"it has no layers\.\d+\.weight, but other, \.\.\."),
        (lambda _: {}, "but no tensor"),
        (lambda _: torch.zeros(3), "it holds one Tensor and no weights by name"),
        (
            lambda state: with_prefix(state, "a.") | with_prefix(state, "b."),
            r"several such networks, a\. and b\.; give a file with",
        ),
        (lambda state: without(state, "layers.0.weight"), r"Missing key\(s\) in state_dict: \"layers\.0\.weight\""),
        (lambda state: state | {"layers.99.weight": torch.zeros(1)}, r"Unexpected key\(s\).*layers\.99"),
        (lambda state: state | {"layers.0.weight": torch.zeros(1)}, "size mismatch for layers.0.weight"),
    ],
)
def test_a_file_without_the_weights_of_the_network_is_refused(
    tmp_path: Path, content: Callable[[State], Any], message: str
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content(Tiny().state_dict()), path)
    with pytest.raises(BackboneError, match=f"weights.pth does not hold the weights of tiny: .*{message}") as caught:
        load_backbone("tiny", weights=str(path))
    assert str(caught.value).endswith("; give a state dict of this network")
    assert "\n" not in str(caught.value)
