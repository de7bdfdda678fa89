"""Progress of a call from Python: a bar in a notebook, a bar or lines in a terminal."""

from __future__ import annotations

import html
import importlib
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from trainer.progress import Progress, Step, WarningsOnly, Whole

_REFRESH_S = 0.2


def show_progress(*, wanted: bool) -> AbstractContextManager[Progress]:
    """Open the progress that suits the place where Python runs.

    Args:
        wanted: Whether there is one; if not, only warnings are shown.
    """
    if not wanted:
        return nullcontext(WarningsOnly(_print if _in_notebook() else _print_error))
    if _in_notebook():
        return _notebook()
    from trainer.terminal import Terminal

    return Terminal()


class NotebookProgress:
    """A `trainer.progress.Progress` in the output of a cell: one bar, updated in place, and lines below it."""

    def __init__(self, handle: Any) -> None:
        """Take IPython's handle of the display that the bar is in."""
        self._handle = handle
        self._whole = Whole()
        self._started = self._shown = 0.0

    def plan(self, steps: Sequence[Step]) -> None:
        """Announce the steps of the whole work."""
        self._whole.plan(steps)

    def start(self, label: str, total: int, unit: str = "images") -> None:
        """Start a step of `total` units; it ends the one before."""
        self._whole.start(label, total, unit)
        self._started = time.monotonic()
        self._show()

    def advance(self, count: int = 1) -> None:
        """Count more units as done."""
        whole = self._whole
        whole.done += count
        if whole.done >= whole.total or time.monotonic() - self._shown >= _REFRESH_S:
            self._show()

    def info(self, text: str) -> None:
        """Show a line that stays."""
        _print(text)

    def warn(self, text: str) -> None:
        """Show a warning that stays."""
        _print(f"warning: {text}")

    def close(self) -> None:
        """Remove the bar."""
        self._handle.update({"text/html": "", "text/plain": ""}, raw=True)

    def _show(self) -> None:
        self._shown, whole = time.monotonic(), self._whole
        done, total = min(whole.done, whole.total), max(whole.total, 1)
        text = f"{whole.text}: {done:,} of {whole.total:,} {whole.unit}, {self._shown - self._started:.0f} s"
        bar = f'<progress value="{done}" max="{total}" style="width: 20em; vertical-align: middle"></progress>'
        self._handle.update({"text/html": f"{bar} {html.escape(text)}", "text/plain": text}, raw=True)


@contextmanager
def _notebook() -> Iterator[NotebookProgress]:
    display = importlib.import_module("IPython.display").display  # the kernel has it, this project does not need it
    progress = NotebookProgress(display({"text/plain": ""}, raw=True, display_id=True))
    try:
        yield progress
    finally:
        progress.close()


def _in_notebook() -> bool:
    """Whether this is a kernel of a notebook. IPython in a terminal has none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _print(line: str) -> None:
    """For a notebook, which shows standard error in red."""
    sys.stdout.write(f"{line}\n")


def _print_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")
