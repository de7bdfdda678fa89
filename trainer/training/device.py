"""Where a fit computes, in what precision, and how it keeps the memory that it freed."""

from __future__ import annotations

import ctypes
import platform
from contextlib import AbstractContextManager, nullcontext

import torch

from trainer.errors import DeviceError

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def choose_device(name: str) -> torch.device:
    """The device of a name; `auto` takes cuda, then mps, then cpu; `cuda:1` is the second GPU.

    Raises DeviceError where there is no such device.
    """
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if have[kind]))
    kind, colon, number = name.partition(":")
    if not have.get(kind, False):
        raise DeviceError(
            f"this machine has no device {name}; it has {', '.join(k for k, found in have.items() if found)}"
        )
    if not colon:
        return torch.device(kind)
    count = torch.cuda.device_count() if kind == "cuda" else 0
    if not (number.isascii() and number.isdigit() and int(number) < count):
        numbered = ", ".join(f"cuda:{each}" for each in range(count)) or f"{kind} without a number"
        raise DeviceError(f"this machine has no device {name}; give {numbered}")
    return torch.device(kind, int(number))


def training_dtype(device: torch.device, precision: str) -> torch.dtype:
    """In what a training step multiplies; `precision` is one of PRECISIONS.

    `auto`: bf16 on CUDA hardware that multiplies it, fp16 on older one, fp32 elsewhere. On a CPU the backward pass of a
    depthwise convolution in bf16 costs more than the rest gains: `tests/benchmarks/precision.py` measures both. Raises
    DeviceError where the device cannot.
    """
    if precision != "auto":
        return _asked(device, precision)
    return _on_cuda() if device.type == "cuda" else torch.float32


def frozen_dtype(device: torch.device, precision: str) -> torch.dtype:
    """In what a pass without gradients multiplies: as in training, but `auto` takes bf16 on a CPU that has it."""
    if precision == "auto" and device.type == "cpu" and _cpu_has_bf16():
        return torch.bfloat16
    return training_dtype(device, precision)


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Multiply in this type; weights and their updates stay fp32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def _asked(device: torch.device, precision: str) -> torch.dtype:
    if device.type == "mps" and precision != "fp32":
        raise DeviceError(f"there is no training in {precision} on mps; use --precision auto, or another --device")
    return _DTYPES[precision]


def _on_cuda() -> torch.dtype:
    # Older hardware has a bf16 that is emulated, slower than fp32.
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def _cpu_has_bf16() -> bool:
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def limit_threads(most: int) -> None:
    """Let torch compute on at most so many threads; it counts the cores of the host, whatever a container may use."""
    torch.set_num_threads(min(most, torch.get_num_threads()))


def enable_cudnn_benchmark(device: torch.device) -> None:
    """Let cuDNN try which of its kernels is the fastest for each size that it meets; a phase of a fit has few."""
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True


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


def empty_cache(device: torch.device) -> None:
    """Return what torch or the C library keeps of freed memory, so that it can be laid out afresh."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
