"""The trainer's command line, called in this process; every error and warning that it prints is checked."""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

import click
from click.testing import CliRunner, Result

from fieldguide.cli import cli
from trainer.cli import main

# Options of a fit that takes a second.
FAST = ("--backbone", "tiny", "--epochs", "2", "--batch-size", "8", "--lr", "0.02", "--device", "cpu")

_COMMAND = re.compile(r"fieldguide ([a-z-]+)")
_OPTION = re.compile(r"(?<![\w/-])--[a-z][a-z0-9-]*")


def trainer(*arguments: str | Path) -> Result:
    """`python -m trainer ARGUMENTS`. Fails if the messages on standard error do not suit the command line."""
    words = [str(argument) for argument in arguments]
    result = CliRunner().invoke(main, words)
    check_messages(words, result.stderr)
    return result


def fit(data: Path, run: Path, *more: str | Path) -> Result:
    """Fit a tiny network for two epochs; the decoded images are kept beside the run."""
    return trainer("fit", data, "--out", run, "--cache", run.parent / "cache", *FAST, *more)


def command(*arguments: str | Path) -> list[str]:
    """`python -m trainer ARGUMENTS`, for a process of its own."""
    return [sys.executable, "-m", "trainer", *map(str, arguments)]


def error_of(result: Result) -> str:
    """The one line of an error."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def check_messages(arguments: list[str], stderr: str) -> None:
    """Check that errors and warnings name no parameter of the Python API, and only options that exist.

    An option belongs to the command line that the message suggests before it, else to the command that was called.
    `resume` trains with the options of its fit, and advises to change them in the next one.
    """
    name = "fit" if arguments[0] == "resume" else arguments[0]
    called = options_of(name) | {word for word in arguments if word.startswith("--")}
    for line in stderr.splitlines():
        if line.lower().startswith(("error: ", "warning: ")):
            assert "`" not in line
            wrong = unknown_options(line, called)
            assert not wrong, f"{wrong} in {line}"


def unknown_options(message: str, called: set[str]) -> set[str]:
    """The options in a message that its command does not have."""
    text, *suggested = _COMMAND.split(message)
    unknown = {*_OPTION.findall(text)} - called
    for name, rest in zip(suggested[::2], suggested[1::2], strict=True):
        unknown |= {*_OPTION.findall(rest)} - options_of(name)
    return unknown


def options_of(name: str) -> set[str]:
    """The options of a command, with their dashes; of the program itself if there is no such command."""
    found: click.Command = cli.commands.get(name, cli)
    options = (parameter.opts for parameter in found.params if isinstance(parameter, click.Option))
    return {"--help", *(option for names in options for option in names)}


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
