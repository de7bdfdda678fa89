"""Out of memory: fewer images are processed at once, and the result stays the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from trainer.errors import FitError
from trainer.training.device import empty_cache

Result = TypeVar("Result")
Warn = Callable[[str], None]

# What torch's allocators, cuBLAS, cuDNN and oneDNN say. Only CUDA's allocator has an exception of its own.
_OUT_OF_MEMORY_MESSAGES = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "_ALLOCATION_FAILED",  # cuDNN 9
    "unable to find an engine to execute this computation",  # cuDNN's engines have no room for their workspace
    "could not create a memory object",
    "could not create a primitive",
)


class MicroBatch:
    """The number of images that are processed at once.

    Attributes:
        size: Halved whenever the memory cannot hold so many images, and never raised again.
    """

    def __init__(self, size: int, *, device: torch.device) -> None:
        self.size = size
        self._device = device

    def run(self, attempt: Callable[[list[slice]], Result], count: int, *, warn: Warn) -> Result:
        """Process `count` images in parts of at most `size`.

        Args:
            attempt: Processes the parts one after the other. If the memory cannot hold one, it is called again with
                smaller parts, so it must start from the beginning each time.
            count: Number of images.
            warn: Called with one line if the size is halved.

        Returns:
            What `attempt` returned.

        Raises:
            FitError: The memory cannot hold a single image.
        """
        while True:
            try:
                return attempt(split_evenly(count, self.size))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = first_line(error)
            # Not in the handler: the error refers to the very tensors that filled the memory.
            tried = min(self.size, count)
            if tried == 1:
                raise FitError(
                    f"the memory of {self._device} cannot hold a single image beside the network ({reason}); "
                    "try a smaller `size`, a smaller `backbone` or another `device`"
                )
            self.size = tried // 2
            empty_cache(self._device)
            warn(f"out of memory with {tried} images at once on {self._device}; continuing with {self.size}")

    def map(
        self, work: Callable[[npt.NDArray[np.int64]], Result], positions: npt.NDArray[np.int64], *, warn: Warn
    ) -> list[Result]:
        """Call `work` with the positions, part by part. Raises FitError as `run` does."""
        return self.run(lambda parts: [work(positions[part]) for part in parts], len(positions), warn=warn)


@contextmanager
def oom_as_fit_error(
    device: torch.device,
    what: str = "the network and its optimizer",
    *,
    advice: str = "a smaller `backbone` or another `device`",
) -> Iterator[None]:
    """Raise FitError if the memory cannot hold what this block needs, which cannot be made smaller."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise FitError(f"the memory of {device} cannot hold {what} ({first_line(error)}); try {advice}") from error


def split_evenly(count: int, size: int) -> list[slice]:
    """Split 0 .. count - 1, in order, into as few parts as have at most `size`, of nearly equal length."""
    parts = -(-count // size)
    return [slice(part * count // parts, (part + 1) * count // parts) for part in range(parts)]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that there is not enough memory, whichever allocator raised it."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _OUT_OF_MEMORY_MESSAGES)


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
