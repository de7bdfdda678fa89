"""Where a fit computes, in what precision, and how it keeps the memory that it freed."""

from __future__ import annotations

import ctypes
import platform
from contextlib import AbstractContextManager, nullcontext

import torch

NAMES = ("auto", "cpu", "cuda", "mps")
# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


class DeviceError(Exception):
    """A device that this machine does not have."""


def choose_device(name: str) -> torch.device:
    """The device of a name; `auto` takes cuda, then mps, then cpu. Raises DeviceError where there is no such device."""
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if have[kind]))
    kind = name.partition(":")[0]
    if not have.get(kind, False):
        raise DeviceError(
            f"this machine has no device {name}; it has {', '.join(k for k, found in have.items() if found)}"
        )
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"there is no device {name}; try {', '.join(NAMES)}") from error


def frozen_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Autocast for passes without gradients: bf16 where the hardware multiplies it."""
    return _autocast(device, device.type == "cpu" and _cpu_has_bf16())


def training_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Autocast for training steps: bf16 on CUDA, fp32 on a CPU.

    On a CPU the backward pass of a depthwise convolution in bf16 costs more than the rest gains:
    `tests/benchmarks/precision.py` measures both.
    """
    return _autocast(device, False)


def _autocast(device: torch.device, on_cpu: bool) -> AbstractContextManager[object]:
    if on_cpu or (device.type == "cuda" and torch.cuda.is_bf16_supported()):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def _cpu_has_bf16() -> bool:
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def keep_freed_memory() -> None:
    """Tell glibc's allocator to keep what is freed instead of giving it back to the kernel; elsewhere do nothing.

    A training step allocates and frees the same large activations; by default each is a fresh mapping, and the page
    faults that it costs take longer than the arithmetic of a small network (`tests/benchmarks/precision.py`).
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_M_TOP_PAD, 2**26)
