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

    def say(self, text: str) -> None:
        """One line that stays."""


class Silence:
    """A Progress that nobody watches."""

    def start(self, label: str, total: int) -> None:
        """Say nothing."""

    def advance(self, count: int = 1) -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""


class Warnings(Silence):
    """A Progress of which only the warnings are told, one line each."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def say(self, text: str) -> None:
        """Tell it if it is a warning."""
        if text.startswith("warning: "):
            self._tell(text)
