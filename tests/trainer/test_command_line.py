from __future__ import annotations

import shlex
from pathlib import Path

from trainer.command_line import command_line


def test_a_command_line_can_be_pasted_if_its_words_have_spaces_and_quotes() -> None:
    words = ("fit", Path("the teacher's photos"), "--sizes", "", "--name", '$HOME `x` "y"', "--epochs", 3)
    line = command_line(*words)
    assert shlex.split(line) == ["fieldguide", *map(str, words)]
    assert command_line("serve", Path("run/bundle")) == "fieldguide serve run/bundle"
