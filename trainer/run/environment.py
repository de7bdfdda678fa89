"""Where a run computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.progress import Progress
from trainer.training.distributed import SINGLE_PROCESS, Distributed


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a run computes and keeps its decoded images; it does not change what comes of it, rounding aside.

    threads    for decoding and measuring
    cache      folder of decoded images, shared by all runs
    processes  those that train together; the main one alone writes and speaks
    """

    device: torch.device
    threads: int
    cache: Path
    progress: Progress
    processes: Distributed = SINGLE_PROCESS
