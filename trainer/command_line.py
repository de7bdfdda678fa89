"""Command lines that a message suggests."""

from __future__ import annotations

import shlex


def command_line(*words: object) -> str:
    """`fieldguide WORDS`, quoted so that it can be pasted into a shell, whatever the names in it."""
    return shlex.join(["fieldguide", *map(str, words)])
