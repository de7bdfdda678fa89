"""Descriptions of the machine and the software that a benchmark ran on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from service.cores import usable_cores


def machine(device: str) -> str:
    """Return processor, usable cores and memory; also the GPU if the device is one."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    parts = [_processor(), f"{usable_cores()} cores", f"{memory_bytes / 2**30:.0f} GiB"]
    if device.startswith("cuda"):
        import torch

        parts.append(torch.cuda.get_device_name(device))
    return ", ".join(parts)


def versions(*packages: str) -> str:
    """Return the versions of Python and of packages of this environment."""
    installed = [f"{name} {metadata.version(name)}" for name in packages]
    return ", ".join([f"Python {platform.python_version()}", *installed])


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
