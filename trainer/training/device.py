"""Where a training computes, with which number format, and how memory is kept."""

from __future__ import annotations

import ctypes
import platform
from contextlib import AbstractContextManager, nullcontext

import torch

from trainer.errors import DeviceError

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4


def choose_device(name: str) -> torch.device:
    """Find the device of a name. `auto` is cuda, else mps, else cpu; `cuda:1` is the second GPU.

    Raises:
        DeviceError: There is no such device.
    """
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if have[kind]))
    kind, colon, number = name.partition(":")
    if not have.get(kind, False):
        found = ", ".join(kind for kind, is_there in have.items() if is_there)
        raise DeviceError(f"this machine has no device {name}; it has {found}")
    if not colon:
        return torch.device(kind)
    count = torch.cuda.device_count() if kind == "cuda" else 0
    if not (number.isascii() and number.isdigit() and int(number) < count):
        numbered = ", ".join(f"cuda:{each}" for each in range(count)) or f"{kind} without a number"
        raise DeviceError(f"this machine has no device {name}; give {numbered}")
    return torch.device(kind, int(number))


def training_dtype(device: torch.device, precision: str) -> torch.dtype:
    """The number format in which a training step multiplies.

    `auto` is bf16 on GPUs that have it, fp16 on older ones, fp32 elsewhere: on a CPU the backward pass of a depthwise
    convolution in bf16 costs more than the rest gains (`tests/benchmarks/precision.py` measures both).

    Args:
        device: Where the step runs.
        precision: auto, fp32, bf16 or fp16.

    Raises:
        DeviceError: The device has no such format.
    """
    if precision != "auto":
        return _requested_dtype(device, precision)
    return _cuda_dtype() if device.type == "cuda" else torch.float32


def frozen_dtype(device: torch.device, precision: str) -> torch.dtype:
    """The number format of a pass without gradients: as in training, but `auto` is bf16 on a CPU that has it."""
    if precision == "auto" and device.type == "cpu" and _cpu_has_bf16():
        return torch.bfloat16
    return training_dtype(device, precision)


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Multiply in this format; weights and their updates stay fp32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def _requested_dtype(device: torch.device, precision: str) -> torch.dtype:
    if device.type == "mps" and precision != "fp32":
        raise DeviceError(f"mps cannot train in {precision}; use `precision='auto'` or another `device`")
    return _DTYPES[precision]


def _cuda_dtype() -> torch.dtype:
    # Older GPUs emulate bf16, which is slower than fp32.
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def _cpu_has_bf16() -> bool:
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def limit_threads(most: int) -> None:
    """Let torch use at most this many threads. By itself it counts the cores of the host, not those of a container."""
    torch.set_num_threads(min(most, torch.get_num_threads()))


def enable_cudnn_benchmark(device: torch.device) -> None:
    """Let cuDNN measure which of its kernels is fastest for each size. A training has few sizes, so it pays."""
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True


def keep_freed_memory() -> None:
    """Make glibc's allocator keep freed memory instead of returning it to the kernel; elsewhere nothing happens.

    A training step allocates and frees the same large activations. By default each of them is a new mapping, and its
    page faults take longer than the arithmetic of a small network (`tests/benchmarks/precision.py`).
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_M_TOP_PAD, 2**26)


def empty_cache(device: torch.device) -> None:
    """Return the freed memory that torch or the C library keeps, so that it can be divided anew."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
