"""Saves the state of the second stage again and again, so that a stopped run goes on from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainer.training.checkpoint import save_state
from trainer.training.distributed import SINGLE_PROCESS, Distributed
from trainer.training.finetune import Finetuner


class Checkpointer:
    """Writes what the stage and the rest of the fit must keep into one file, on the main process.

    seconds  of the stage up to the last save, those of earlier processes included
    """

    def __init__(
        self,
        path: Path,
        whole: Finetuner,
        *,
        every_s: float,
        spent_s: float,
        rest: Callable[[float], Mapping[str, Any]],
        processes: Distributed = SINGLE_PROCESS,
    ) -> None:
        """`rest` gives what the stage does not know, of the seconds that it took."""
        self._path = path
        self._whole = whole
        self._every_s = every_s
        self._rest = rest
        self._is_main = processes.is_main
        self.seconds = spent_s
        self._saved = time.perf_counter()

    def save(self) -> None:
        """Write the state of now."""
        if not self._is_main:
            return
        now = time.perf_counter()
        self.seconds += now - self._saved
        self._saved = now
        tensors, facts = self._whole.state()
        save_state(self._path, tensors, {**facts, **self._rest(self.seconds)})

    def save_when_due(self) -> None:
        """Write it if the last time is long enough ago."""
        if time.perf_counter() - self._saved >= self._every_s:
            self.save()
