"""The trainer's command line, called in this process, and the tables that it writes."""

from __future__ import annotations

import csv
from pathlib import Path

from click.testing import CliRunner, Result

from trainer.cli import main


def trainer(*arguments: str | Path) -> Result:
    """`python -m trainer ARGUMENTS`."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
