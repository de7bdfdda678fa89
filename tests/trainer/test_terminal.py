"""Progress on standard error."""

from __future__ import annotations

import pytest

from trainer.cli.exit import as_command_line
from trainer.progress import Step
from trainer.terminal import Terminal


def test_without_a_terminal_there_are_lines_and_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal() as progress:
        progress.advance()  # before any stage
        progress.start("decode", 2)
        progress.advance()
        progress.advance()
        progress.info("[bold]half[/bold] done, and " + "very " * 40 + "long")
        progress.plan([Step(label="head"), Step(label="report")])
        progress.start("head", 1200, "steps")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "decode (2 images) ...",
        "[bold]half[/bold] done, and " + "very " * 40 + "long",
        "step 1 of 2: head (1,200 steps) ...",
    ]


def test_a_warning_names_options_and_not_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal(phrase=as_command_line) as progress:
        progress.warn("few steps; more `epochs` or a smaller `batch_size` may help")
    assert capsys.readouterr().err == "warning: few steps; more --epochs or a smaller --batch-size may help\n"
