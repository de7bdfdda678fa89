"""The page of the command line, from click's objects."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from docs.generate.markdown import anchor, code, link, paragraph, table, value
from service.console import SectionedCommand

# Heading of the options that have none of their own; click's own help has it, too.
_OPTIONS = "Options"
# How the help of an option says its default, and the environment variable before it.
_DEFAULT = re.compile(r"\s*\[(?:(?P<variable>[A-Z_]+); )?default: (?P<default>[^\]]*)\]$")


def commands_page(group: click.Group, program: str) -> str:
    """Sections of the group and of every command in it that is not hidden, groups in it included.

    Args:
        group: The commands.
        program: What is typed before the name of a command.

    Returns:
        Markdown; the headings have level two.
    """
    return "\n".join(_sections(group, click.Context(group, info_name=program, **group.context_settings)))


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """A command, then those in it."""
    path = context.command_path
    yield from (f"## {path}", "")
    for text in (command.help or "").partition("\f")[0].split("\n\n"):
        yield from (paragraph(text.replace("\b", "")), "")
    yield from ("```text", " ".join([path, *command.collect_usage_pieces(context)]), "```", "")
    inside = list(_commands(command, context)) if isinstance(command, click.Group) else []
    yield from table(
        ("command", "what it does"),
        [
            (link(code(inner.command_path), anchor(inner.command_path)), found.get_short_help_str(limit=200))
            for found, inner in inside
        ],
    )
    arguments = [parameter for parameter in command.get_params(context) if isinstance(parameter, click.Argument)]
    yield from table(("argument", "how many"), [_argument(argument, context) for argument in arguments])
    for heading, options in _options_by_heading(command, context).items():
        yield from (f"**{heading}**", "")
        yield from table(("option", "default", "what it does"), [_option(option, context) for option in options])
    if command.epilog:
        yield from ("```text", command.epilog.replace("\b", "").strip(), "```", "")
    for found, inner in inside:
        yield from _sections(found, inner)


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            yield command, click.Context(command, info_name=name, parent=context, **command.context_settings)


def _options_by_heading(command: click.Command, context: click.Context) -> dict[str, list[click.Option]]:
    """Heading -> options, as in the help."""
    if isinstance(command, SectionedCommand):
        return command.options_by_section(context)
    options = [parameter for parameter in command.get_params(context) if isinstance(parameter, click.Option)]
    return {_OPTIONS: [option for option in options if not option.hidden]}


def _argument(argument: click.Argument, context: click.Context) -> tuple[str, str]:
    least = "one" if argument.required else "none"
    if argument.nargs == -1:
        count = f"{least} or more"
    elif argument.nargs == 1:
        count = "one" if argument.required else "one or none"
    else:
        count = str(argument.nargs)
    return code(argument.make_metavar(context)), count


def _option(option: click.Option, context: click.Context) -> tuple[str, str, str]:
    """Cells of a row. The text does not repeat the default and what else the help adds to it."""
    names, _ = option.get_help_record(context) or ("", "")
    text = _DEFAULT.sub("", option.help or "")
    notes = []
    if bounds := option.get_help_extra(context).get("range"):
        notes.append(f"Values: {code(bounds)}.")
    if variable := _variable(option):
        notes.append(f"Variable: {code(variable)}.")
    if text and notes:
        text = f"{text.rstrip('.')}."
    return code(names), _default(option, context), " ".join([text, *notes])


def _default(option: click.Option, context: click.Context) -> str:
    if option.required:
        return "required"
    if written := _DEFAULT.search(option.help or ""):
        return value(written["default"])
    if isinstance(option.show_default, str):
        return value(option.show_default)
    return value(option.get_help_extra(context).get("default", ""))


def _variable(option: click.Option) -> str:
    """The environment variable that sets the option, "" if there is none."""
    if isinstance(option.envvar, str):
        return option.envvar
    written = _DEFAULT.search(option.help or "")
    return (written["variable"] or "") if written else ""
