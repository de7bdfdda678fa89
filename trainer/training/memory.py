"""How many images are worked on at once: as many as were asked for, or fewer where the memory holds no more."""

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
Say = Callable[[str], None]

# What torch's allocators, cuBLAS, cuDNN and oneDNN say; of them only CUDA's allocator has an exception of its own.
_SIGNS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "_ALLOCATION_FAILED",  # of cuDNN 9
    "unable to find an engine to execute this computation",  # what cuDNN finds has no room to work in
    "could not create a memory object",
    "could not create a primitive",
)


class MicroBatch:
    """The images that are worked on at once.

    size  how many; halved whenever the memory does not hold so many, and never raised again
    """

    def __init__(self, size: int, *, device: torch.device) -> None:
        self.size = size
        self._device = device

    def run(self, attempt: Callable[[list[slice]], Result], count: int, *, say: Say) -> Result:
        """What `attempt` gives for `count` images cut into parts of at most `size`.

        attempt  works on the parts one after the other; where the memory does not hold one, it is called again with
                 smaller ones, so it must begin anew each time
        say      told in one line of every halving

        Raises FitError where a single image is too much.
        """
        while True:
            try:
                return attempt(cut(count, self.size))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = first_line(error)
            # Not in the handler: what the error holds are the very tensors that filled the memory.
            asked = min(self.size, count)
            if asked == 1:
                raise FitError(
                    f"the memory of {self._device} does not hold a single image beside the network ({reason}); "
                    "try a smaller --size, a smaller --backbone or another --device"
                )
            self.size = asked // 2
            empty_cache(self._device)
            say(f"out of memory with {asked} images at once on {self._device}: going on with {self.size}")

    def over(
        self, positions: npt.NDArray[np.int64], work: Callable[[npt.NDArray[np.int64]], Result], *, say: Say
    ) -> list[Result]:
        """What `work` gives for the positions, part by part; raises FitError as `run` does."""
        return self.run(lambda parts: [work(positions[part]) for part in parts], len(positions), say=say)


@contextmanager
def oom_as_fit_error(
    device: torch.device,
    what: str = "the network and what trains it",
    *,
    advice: str = "a smaller --backbone or another --device",
) -> Iterator[None]:
    """Raise FitError where the memory does not hold what is done here, in which nothing can be made smaller."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise FitError(f"the memory of {device} does not hold {what} ({first_line(error)}); try {advice}") from error


def cut(count: int, size: int) -> list[slice]:
    """0 .. count - 1, in order, in as few parts as have at most `size`; the parts are of nearly equal length."""
    parts = -(-count // size)
    return [slice(part * count // parts, (part + 1) * count // parts) for part in range(parts)]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory, whichever allocator raised it."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
