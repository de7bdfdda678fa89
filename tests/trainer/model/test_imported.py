"""Classifiers from files of weights as training scripts of other people write them."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from trainer.errors import WeightsError
from trainer.model.imported import ImportedClassifier, load_classifier
from trainer.model.preprocessing import Preprocessing
from trainer.model.tiny import Tiny

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(0)
    return Tiny(class_count=4).state_dict()


def prefixed(state: State, prefix: str) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def zeros(state: State) -> State:
    return {name: torch.zeros_like(tensor) for name, tensor in state.items()}


def load(value: Any, folder: Path, name: str = "tiny") -> ImportedClassifier:
    torch.save(value, folder / "w.pth")
    return load_classifier(name, folder / "w.pth", Preprocessing())


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {"model": state, "optimizer": {"lr": 1.0}, "epoch": 3},
        lambda state: {"state_dict": prefixed(state, "module.")},
        lambda state: {"model_state_dict": prefixed(state, "_orig_mod.")},
        lambda state: {"state_dict": prefixed(state, "model.backbone."), "hyper_parameters": {"lr": 1e-3}},
        lambda state: {"state_dict_ema": state, "state_dict": zeros(state)},
        lambda state: {"model_ema": prefixed(state, "module."), "model": zeros(state)},
    ],
)
def test_every_usual_checkpoint_is_read(state: State, tmp_path: Path, wrapped: Callable[[State], Any]) -> None:
    found = load(wrapped(state), tmp_path)
    assert found.classifier.head.weight.equal(state["fc.weight"])
    assert found.classifier.head.bias.equal(state["fc.bias"])
    pixels = 255 * torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network = Tiny(class_count=4).eval()
    network.load_state_dict(state)
    with torch.no_grad():
        assert found.classifier(pixels).allclose(network((pixels / 255 - 0.5) / 0.5), atol=1e-5)


def test_safetensors_and_weights_of_a_run_are_read(state: State, tmp_path: Path) -> None:
    own = {name.replace("fc.", "head."): tensor for name, tensor in state.items()}
    own = {name if name.startswith("head.") else f"body.{name}": tensor for name, tensor in own.items()}
    for number, tensors in enumerate((state, own)):
        path = tmp_path / f"{number}.safetensors"
        safetensors.torch.save_file(tensors, path)
        assert load_classifier("tiny", path, Preprocessing()).classifier.head.weight.equal(state["fc.weight"])


def test_a_last_layer_without_bias(state: State, tmp_path: Path) -> None:
    found = load({name: tensor for name, tensor in state.items() if name != "fc.bias"}, tmp_path)
    assert found.classifier.head.bias.equal(torch.zeros(4))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: {name.replace("fc.", "fc.0."): each for name, each in state.items()}, "no fc.weight, but fc.0."),
        (lambda state: {**state, "fc.weight": torch.zeros(4, 5)}, "fc.weight is [4, 5], not [classes, 96]"),
        (lambda state: {"fc.weight": state["fc.weight"]}, "it has no layers."),
        (lambda state: {**state, "extra": torch.zeros(1)}, "extra"),
        (lambda state: [1, 2], "it holds one list and no weights by name"),
        (lambda state: {}, "no tensor"),
    ],
)
def test_weights_that_do_not_fit(state: State, tmp_path: Path, change: Callable[[State], Any], reason: str) -> None:
    with pytest.raises(WeightsError) as caught:
        load(change(state), tmp_path)
    assert reason in str(caught.value)
    assert "w.pth does not hold the weights of tiny: " in str(caught.value)


class Marked(nn.Module):
    """A network whose pickle would run code that leaves a mark."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("mark"),))


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_pickle_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(Marked(), tmp_path / "network.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError) as caught:
        load_classifier("tiny", tmp_path / "network.pt", Preprocessing())
    assert "a pickle of more than weights, and reading it would run code that is in it" in str(caught.value)
    assert not (tmp_path / "mark").exists()


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
def test_a_torchscript_program_is_refused_with_what_to_type(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "script.pt")
    with pytest.raises(WeightsError) as caught:
        load_classifier("tiny", tmp_path / "script.pt", Preprocessing())
    assert "it is a TorchScript program, and reading it would run code" in str(caught.value)
    assert run_lines(str(caught.value), tmp_path).keys() == {"weight", "bias"}


def test_a_learner_of_fastai_is_refused_with_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = type("Learner", (), {"__module__": "fastai.learner"})
    package, module = types.ModuleType("fastai"), types.ModuleType("fastai.learner")
    module.Learner = learner  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastai", package)
    monkeypatch.setitem(sys.modules, "fastai.learner", module)
    torch.save(learner(), tmp_path / "export.pkl")
    with pytest.raises(WeightsError) as caught:
        load_classifier("tiny", tmp_path / "export.pkl", Preprocessing())
    assert "it is a learner of fastai, and reading it would run code" in str(caught.value)
    assert "learner = load_learner('export.pkl')" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"hello" * 99, b"\x80\x02."])
def test_a_file_that_is_no_weights(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(WeightsError, match="is neither a file that"):
        load_classifier("tiny", tmp_path / "w.pth", Preprocessing())
    with pytest.raises(WeightsError, match="there is no file"):
        load_classifier("tiny", tmp_path / "none.pth", Preprocessing())


def test_a_file_of_which_a_part_is_missing(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "w.pth")
    (tmp_path / "w.pth").write_bytes((tmp_path / "w.pth").read_bytes()[:9000])
    with pytest.raises(WeightsError, match="it is damaged: a part of it is missing"):
        load_classifier("tiny", tmp_path / "w.pth", Preprocessing())


def run_lines(message: str, folder: Path) -> State:
    """Run the three lines of a message in a folder, and load the weights that they write."""

    lines = message.partition("that made it: ")[2]
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", lines.replace("; ", "\n")], cwd=folder, check=True, timeout=120
    )
    state: State = torch.load(folder / "weights.pth", weights_only=True)
    return state
