"""Where a call from Python computes, and where it shows its progress."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from fieldguide.paths import StrPath, optional_path
from fieldguide.progress import show_progress
from trainer.run import Environment, open_environment


def call_environment(
    *,
    device: str | torch.device = "auto",
    threads: int | None = None,
    cache: StrPath | None = None,
    cache_max: str | int | None = None,
    progress: bool,
) -> AbstractContextManager[Environment]:
    """Open the environment that the arguments of a call ask for; see `fieldguide.fit` for them.

    Raises:
        TrainerError: There is no such device, `threads` is below 1, or `cache_max` is not a size.
    """
    return open_environment(
        device=str(device),
        threads=threads,
        cache=optional_path(cache),
        cache_max=cache_max,
        show=lambda is_main: show_progress(wanted=progress and is_main),
    )
