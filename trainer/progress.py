"""How a long piece of work reports to a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """A bar for the present stage, and lines that stay."""

    def start(self, label: str, total: int) -> None:
        """Start a stage of `total` units; it ends the one before."""

    def advance(self, count: int = 1) -> None:
        """Count more units as done."""

    def info(self, text: str) -> None:
        """Show a line that stays."""

    def warn(self, text: str) -> None:
        """Show a warning that stays."""


class NoProgress:
    """A Progress that shows nothing."""

    def start(self, label: str, total: int) -> None:
        """Show nothing."""

    def advance(self, count: int = 1) -> None:
        """Show nothing."""

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
