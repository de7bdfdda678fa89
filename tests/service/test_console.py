"""What the command lines share."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from service.console import GENERAL, MOST_USED, Program, SectionedCommand, option


@click.group(cls=Program)
def tool() -> None:
    """A tool."""


@tool.command(cls=SectionedCommand, sections=("Size", "Colour"), most_used=("name",))
@option("--red", section="Colour", help="How red.")
@option("--wide", section="Size", help="How wide.")
@option("--name", section="Size", help="The name.")
@option("--secret", section="Size", hidden=True, help="Hidden.")
@option("--loud", help="How loud.")
@click.option("--plain", help="Without a section.")
def draw(**options: str | None) -> None:
    """Draw."""


@tool.command()
@click.argument("how")
def end(how: str) -> None:
    """End as is said."""
    if how == "abort":
        raise click.Abort
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "fail":
        raise click.ClickException("two\nlines \x1b[31m")
    if how == "exit":
        click.get_current_context().exit(7)


def test_help_has_sections_with_what_most_people_need_first() -> None:
    command = tool.commands["draw"]
    assert isinstance(command, SectionedCommand)
    sections = command.options_by_section(click.Context(command))
    assert {heading: [each.opts[0] for each in options] for heading, options in sections.items()} == {
        MOST_USED: ["--name"],
        "Size": ["--wide"],
        "Colour": ["--red"],
        GENERAL: ["--loud", "--plain", "--help"],
    }
    text = CliRunner().invoke(tool, ["draw", "--help"]).stdout
    assert [line for line in text.splitlines() if line.endswith(":")] == ["Most used:", "Size:", "Colour:", "General:"]
    assert "secret" not in text


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("abort", 130, "error: interrupted\n"),
        ("fail", 1, "error: two lines ?[31m\n"),
        ("exit", 7, ""),
        ("well", 0, ""),
    ],
)
def test_a_command_ends_with_its_code_and_at_most_one_line(how: str, code: int, message: str) -> None:
    result = CliRunner().invoke(tool, ["end", how])
    assert (result.exit_code, result.stderr) == (code, message)


def test_ctrl_c_ends_with_130() -> None:
    result = CliRunner().invoke(tool, ["end", "interrupt"])
    assert result.exit_code == 130
    assert result.stderr.strip() == "error: interrupted"


def test_without_standalone_mode_errors_are_raised() -> None:
    with pytest.raises(click.exceptions.NoSuchOption):
        tool.main(["draw", "--none"], standalone_mode=False)


def test_a_full_disk_is_no_success() -> None:
    """What a command prints is written before it ends."""
    code = "from tests.service.test_console import tool; tool.main(['draw', '--help'])"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode != 0
