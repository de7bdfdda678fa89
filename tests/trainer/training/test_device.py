from __future__ import annotations

import pytest
import torch

from trainer.errors import DeviceError
from trainer.training.device import autocast, choose_device, frozen_dtype, limit_threads, training_dtype

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:2", "cuda:7", "cuda:", "cuda:-1", "cuda:x"])
def test_a_gpu_that_the_machine_does_not_have_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device("cuda") == torch.device("cuda")
    with pytest.raises(DeviceError, match=f"this machine has no device {name}; give cuda:0, cuda:1"):
        choose_device(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cpu:0", "this machine has no device cpu:0; give cpu without a number"),
        ("cpu:", "give cpu without a number"),
        ("tpu", "this machine has no device tpu; it has cpu"),
        ("auto:1", "this machine has no device auto:1; it has cpu"),
    ],
)
def test_the_error_says_which_devices_there_are(name: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        choose_device(name)


def test_a_cpu_trains_in_fp32_unless_another_format_was_asked() -> None:
    assert training_dtype(CPU, "auto") == torch.float32
    asked = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    for precision, dtype in asked.items():
        assert training_dtype(CPU, precision) == frozen_dtype(CPU, precision) == dtype


def test_mps_trains_in_fp32_only() -> None:
    device = torch.device("mps")
    assert training_dtype(device, "auto") == training_dtype(device, "fp32") == torch.float32
    with pytest.raises(DeviceError, match="mps cannot train in bf16; use `precision='auto'` or another `device`"):
        training_dtype(device, "bf16")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_autocast_multiplies_in_the_format(dtype: torch.dtype) -> None:
    layer = torch.nn.Linear(4, 4)
    with autocast(CPU, dtype):
        assert layer(torch.zeros(1, 4)).dtype == dtype


def test_the_number_of_threads_is_limited_and_never_raised() -> None:
    before = torch.get_num_threads()
    try:
        for most in (1, before + 8):
            limit_threads(most)
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_in_a_format_that_it_has() -> None:
    has_bf16 = torch.cuda.get_device_capability() >= (8, 0)
    device = torch.device("cuda")
    assert training_dtype(device, "auto") == (torch.bfloat16 if has_bf16 else torch.float16)
    assert frozen_dtype(device, "auto") == training_dtype(device, "auto")
