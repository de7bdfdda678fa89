"""Makes glibc's memory allocator return free memory to the system. Does nothing with another allocator."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE_BYTES = 8 * 1024 * 1024


def return_large_blocks() -> None:
    """Map every block of 8 MB or more on its own, so that it returns to the system as soon as it is freed.

    By default glibc raises this threshold when the first large block is freed, to as much as 32 MB. Then it keeps the
    pixels of large images for good: measured, 400 MB after twenty images of 50 megapixels.
    """
    set_option = _glibc("mallopt")
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def return_free_memory() -> None:
    """Return free memory once.

    Loading a model frees about three times its size, which glibc would keep for the life of the process.
    """
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _glibc(name: str) -> Any:
    """Return a function of the C library; None if it has no such function."""
    return None if sys.platform == "win32" else getattr(ctypes.CDLL(None), name, None)
