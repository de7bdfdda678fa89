"""Progress on a terminal: a bar for the present stage on standard error, and lines that stay above it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Terminal:
    """A `trainer.progress.Progress`. If standard error is not a terminal, it shows only lines."""

    def __init__(self, *, phrase: Callable[[str], str] = str) -> None:
        """Take what rewrites the names of the Python API in warnings, if these are not what the reader types."""
        self._phrase = phrase
        console = Console(stderr=True, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description:>12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._console = console
        self._task: TaskID | None = None

    def __enter__(self) -> Terminal:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def start(self, label: str, total: int) -> None:
        """Start a stage of `total` units; it ends the one before."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        if not self._console.is_terminal:
            self.info(f"{label} ...")
        self._task = self._bars.add_task(label, total=total)

    def advance(self, count: int = 1) -> None:
        """Count more units as done."""
        if self._task is not None:
            self._bars.advance(self._task, count)

    def info(self, text: str) -> None:
        """Show a line that stays."""
        self._console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Show a warning that stays."""
        self.info(f"warning: {self._phrase(text)}")
