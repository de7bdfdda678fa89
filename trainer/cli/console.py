"""Progress on a terminal: a bar for the present stage on standard error, lines that stay above it."""

from __future__ import annotations

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
    """A `trainer.training.Progress`; where standard error is no terminal there are lines only."""

    def __init__(self) -> None:
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
        """Begin a stage of `total` units; the one before it is over."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        if not self._console.is_terminal:
            self.info(f"{label} ...")
        self._task = self._bars.add_task(label, total=total)

    def advance(self, count: int = 1) -> None:
        """So many units more are done."""
        if self._task is not None:
            self._bars.advance(self._task, count)

    def info(self, text: str) -> None:
        """One line that stays."""
        self._console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Show a warning that stays."""
        self.info(f"warning: {text}")
