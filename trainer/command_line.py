"""Command lines that a message suggests."""

from __future__ import annotations

import shlex


def command_line(program: str, *words: object) -> str:
    """`python -m PROGRAM WORDS`, quoted so that it can be pasted into a shell, whatever the names in it."""
    return shlex.join(["python", "-m", program, *map(str, words)])
