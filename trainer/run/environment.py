"""Where a run computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.data import Decoding, TrainingData
from trainer.progress import Progress
from trainer.training.distributed import SINGLE_PROCESS, Distributed
from trainer.training.history import History
from trainer.training.session import Session, open_session


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a run computes and keeps its decoded images. Apart from rounding, it does not change the result.

    Attributes:
        device: Where the network runs.
        threads: For decoding and evaluation.
        cache: Folder of decoded images, shared by all runs.
        progress: Where a person sees what happens.
        distributed: The processes that train together; the main one writes files and reports.
    """

    device: torch.device
    threads: int
    cache: Path
    progress: Progress
    distributed: Distributed = SINGLE_PROCESS

    @property
    def decoding(self) -> Decoding:
        """How images are decoded, and where they are kept."""
        return Decoding(cache=self.cache, threads=self.threads, progress=self.progress)

    def open_session(self, data: TrainingData, history: History) -> Session:
        """A session of training on these images. Raises FitError if the device has not enough memory."""
        return open_session(
            data.train, self.device, distributed=self.distributed, history=history, progress=self.progress
        )
