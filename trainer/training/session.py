"""What a training runs on and reports to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from trainer.data import Images, PixelSource, open_images
from trainer.progress import NoProgress, Progress
from trainer.training.distributed import SINGLE_PROCESS, Distributed
from trainer.training.history import History
from trainer.training.memory import oom_as_fit_error


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """What every part of a training needs besides the model, the data and the recipe.

    Attributes:
        device: Where it computes.
        images: The training images on that device.
        distributed: The processes that train together.
        history: Where events are recorded.
        progress: Where a person sees what happens.
    """

    device: torch.device
    images: Images
    distributed: Distributed = SINGLE_PROCESS
    history: History = History(None)
    progress: Progress = NoProgress()

    def warn(self, text: str, **values: Any) -> None:
        """Show a warning and record it, with more values, as an event of the history."""
        self.progress.warn(text)
        self.history.event("warning", **values, text=text)


def open_session(
    train: PixelSource,
    device: torch.device,
    *,
    distributed: Distributed = SINGLE_PROCESS,
    history: History | None = None,
    progress: Progress | None = None,
) -> Session:
    """Put the training images on the device, if it is a GPU that has room, and make a session.

    Args:
        train: The training images, decoded.
        device: Where to compute.
        distributed: The processes that train together.
        history: None records nothing.
        progress: None shows nothing.

    Raises:
        FitError: The device has not enough memory.
    """
    with oom_as_fit_error(device):
        images = open_images(train, device)
    return Session(
        device=device,
        images=images,
        distributed=distributed,
        history=history or History(None),
        progress=progress or NoProgress(),
    )
