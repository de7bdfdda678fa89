"""What every command line of the project shares: help in sections, suggestions, errors in one line, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import click

from service.text import printable

# Exit codes, besides 0.
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_STARTED = 3
EXIT_INTERRUPTED = 130

MOST_USED = "Most used"
GENERAL = "General"


class Program(click.Group):
    """A group of commands in the order in which they were added; every error is one line on standard error.

    Attributes:
        synonyms: What people may type -> the command that does it.
    """

    synonyms: ClassVar[Mapping[str, str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in order."""
        del ctx
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of these arguments; the error for a synonym, or one mistyped, names the command."""
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            known = {**{name: name for name in self.commands}, **self.synonyms}
            close = get_close_matches(args[0].lower(), known, n=1)
            if close:
                raise click.UsageError(f"No such command {args[0]!r}. Did you mean {known[close[0]]!r}?", ctx)
            if Path(args[0]).exists():
                raise click.UsageError(f"{args[0]!r} is not a command; write a command before it.", ctx)
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command of these arguments, and exit."""
        _open_standard_streams()
        standalone = extra.pop("standalone_mode", True)
        extra["standalone_mode"] = False
        if not standalone:
            return super().main(*args, **extra)
        try:
            code = super().main(*args, **extra)
            sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(EXIT_USAGE)
        except click.UsageError as error:
            message = _with_advice(error)
            if error.ctx is not None:
                message += f"{'' if message.endswith(('.', '?', '?)')) else '.'} See '{error.ctx.command_path} --help'."
            fail(message, code=error.exit_code)
        except click.ClickException as error:
            fail(error.format_message(), code=error.exit_code)
        except click.Abort:
            fail("interrupted", code=EXIT_INTERRUPTED)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at the exit
            sys.exit(EXIT_FAILED)
        sys.exit(code if isinstance(code, int) else 0)


def _open_standard_streams() -> None:
    """Open those that the parent has closed (`2>&-`): what is printed goes nowhere.

    Otherwise the next file or connection would take their number, and libraries in C would print into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  (for the life of the process)


def _with_advice(error: click.UsageError) -> str:
    """The message; it names our option for one that other programs have, and every argument if one is missing."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        synonyms = getattr(error.ctx.command, "option_synonyms", {})
        if error.option_name in synonyms:
            return f"{error.message} Did you mean {synonyms[error.option_name]!r}?"
    if isinstance(error, click.MissingParameter) and isinstance(error.param, click.Argument) and error.ctx is not None:
        arguments = [each for each in error.ctx.command.params if isinstance(each, click.Argument)]
        names = " ".join(each.make_metavar(error.ctx) for each in arguments)
        return f"{error.format_message().rstrip('.')}; write: {error.ctx.command_path} {names}."
    return error.format_message()


class SectionedCommand(click.Command):
    """A command whose help lists its options in sections."""

    def __init__(
        self,
        *args: Any,
        sections: Sequence[str] = (),
        most_used: Sequence[str] = (),
        option_synonyms: Mapping[str, str] | None = None,
        **attributes: Any,
    ) -> None:
        """Take how the options are listed.

        Args:
            *args: Of click.Command.
            sections: Headings in their order; those of other options come after them.
            most_used: Names of the parameters that most people need; they are listed first, in this order.
            option_synonyms: What other programs call an option -> the option; an error names it.
            **attributes: Of click.Command.
        """
        super().__init__(*args, **attributes)
        self._sections = sections
        self._most_used = most_used
        self.option_synonyms = option_synonyms or {}

    def options_by_section(self, context: click.Context) -> dict[str, list[click.Option]]:
        """Heading -> options, in order; without those that are hidden."""
        options = {
            str(parameter.name): parameter
            for parameter in self.get_params(context)
            if isinstance(parameter, click.Option) and not parameter.hidden
        }
        found = {MOST_USED: [options.pop(name) for name in self._most_used], **{name: [] for name in self._sections}}
        for listed in options.values():
            found.setdefault(section_of(listed), []).append(listed)
        return {name: listed for name, listed in found.items() if listed}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section with its options."""
        for name, options in self.options_by_section(ctx).items():
            records = [record for listed in options if (record := listed.get_help_record(ctx)) is not None]
            with formatter.section(name):
                formatter.write_dl(records)


class SectionedOption(click.Option):
    """An option with the heading of the section that lists it."""

    def __init__(self, *args: Any, section: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.section = section


def section_of(option: click.Option) -> str:
    """The heading under which an option is listed."""
    return option.section if isinstance(option, SectionedOption) else GENERAL


def option(*declarations: str, section: str = GENERAL, **attributes: Any) -> Callable[[Any], Any]:
    """`click.option`, with the heading of the section that lists it."""
    return click.option(*declarations, cls=SectionedOption, section=section, **attributes)


def print_error(message: str) -> None:
    """Print a message as one line on standard error."""
    click.echo(printable(" ".join(message.splitlines())), err=True)


def fail(message: str, *, code: int) -> NoReturn:
    """Print an error as one line on standard error, and exit."""
    print_error(f"error: {message}")
    sys.exit(code)
