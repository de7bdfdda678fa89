"""Progress on a terminal: a bar for the present step on standard error, and lines that stay above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from trainer.progress import Step, Whole


class Terminal:
    """A `trainer.progress.Progress`. If standard error is not a terminal, it shows only lines."""

    def __init__(self, *, phrase: Callable[[str], str] = str) -> None:
        """Take what rewrites the names of the Python API in warnings, if these are not what the reader types."""
        self._phrase = phrase
        console = Console(stderr=True, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[percent]} of {task.fields[count]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._console = console
        self._whole = Whole()
        self._task: TaskID | None = None

    def __enter__(self) -> Terminal:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def plan(self, steps: Sequence[Step]) -> None:
        """Announce the steps of the whole work."""
        self._whole.plan(steps)

    def start(self, label: str, total: int, unit: str = "images") -> None:
        """Start a step of `total` units; it ends the one before."""
        whole = self._whole
        if self._task is not None:
            self._bars.remove_task(self._task)
        whole.start(label, total, unit)
        count = f"{total:,} {unit}" if total > 1 else ""
        if not self._console.is_terminal:
            self.info(f"{whole.text}{f' ({count})' if count else ''} ...")
        self._task = self._bars.add_task(
            whole.text, total=total, percent=whole.percent, count=count or "1", visible=True
        )

    def advance(self, count: int = 1) -> None:
        """Count more units as done."""
        if self._task is not None:
            self._whole.done += count
            self._bars.update(self._task, advance=count, description=self._whole.text, percent=self._whole.percent)

    def info(self, text: str) -> None:
        """Show a line that stays."""
        self._console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Show a warning that stays."""
        self.info(f"warning: {self._phrase(text)}")
