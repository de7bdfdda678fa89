from __future__ import annotations

from pathlib import Path

import pytest
import safetensors
import torch
from torch import nn

from tests.support.full_disk import no_file_over
from trainer.training.checkpoint import load_facts, load_state, load_weights, save_state, save_weights

FACTS = {"step": 3, "losses": [0.1, 1e-9], "scaler": {}, "best": {"loss": 0.25}}


def test_tensors_and_facts_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.safetensors"
    tensors = {
        "plain": torch.arange(6.0).view(2, 3),
        "turned": torch.arange(6.0).view(2, 3).t(),
        "half": torch.tensor([1.5], dtype=torch.bfloat16),
        "count": torch.tensor(7),
    }
    save_state(path, tensors, FACTS)
    found, facts = load_state(path)
    assert facts == load_facts(path) == FACTS
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_weights_come_back_into_a_network_of_the_same_shape(tmp_path: Path) -> None:
    first, second = (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)) for _ in range(2))
    save_weights(first, tmp_path / "best.safetensors")
    load_weights(second, tmp_path / "best.safetensors")
    assert all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in first.state_dict().items())


def test_a_full_disk_leaves_the_state_of_before_and_is_said_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    save_state(path, {"weight": torch.ones(4)}, FACTS)
    before = path.read_bytes()
    with no_file_over(10_000), pytest.raises(OSError, match="File too large") as error:
        save_state(path, {"weight": torch.ones(40_000)}, FACTS)
    assert error.value.filename == str(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_kill_left_half_written_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    (tmp_path / ".last.safetensors.partial").write_bytes(b"half")
    save_state(path, {"weight": torch.ones(4)}, FACTS)
    assert list(tmp_path.iterdir()) == [path]
    assert load_facts(path) == FACTS


def test_a_file_that_is_cut_off_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    save_state(path, {"weight": torch.ones(400)}, FACTS)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(safetensors.SafetensorError):
        load_state(path)
