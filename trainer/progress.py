"""What a long piece of work tells whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """A bar for the present stage, and lines that stay."""

    def start(self, label: str, total: int) -> None:
        """Begin a stage of `total` units; the one before it is over."""

    def advance(self, count: int = 1) -> None:
        """So many units more are done."""

    def info(self, text: str) -> None:
        """Show a line that stays."""

    def warn(self, text: str) -> None:
        """Show a warning that stays."""


class NoProgress:
    """A Progress that nobody watches."""

    def start(self, label: str, total: int) -> None:
        """Say nothing."""

    def advance(self, count: int = 1) -> None:
        """Say nothing."""

    def info(self, text: str) -> None:
        """Show nothing."""

    def warn(self, text: str) -> None:
        """Show nothing."""


class WarningsOnly(NoProgress):
    """A Progress that shows only warnings."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show

    def warn(self, text: str) -> None:
        """Show a warning."""
        self._show(f"warning: {text}")
