"""The options that several commands share. Those of a recipe are made from its settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from trainer.cli.exit import as_command_line
from trainer.recipe import GROUPS, Recipe, Setting, settings_of

Command = Callable[..., Any]

_LR_HELP = (
    "Maximum learning rate of the head in fine-tuning; pretrained earliest layers get a tenth. FIRST:HEAD: geometric "
    "between the earliest layers and the head. auto: found by sweeps, for both stages. With --epochs 0: that of the "
    "head stage.  [default: 4e-3]"
)
_LR_GROUP = next(item.knob.group for item in settings_of(Recipe()) if item.key == "finetune.lr")
_GENERAL = "General"


def _as_typed(_context: click.Context, _parameter: click.Parameter, run: Path) -> Path:
    """RUN as it was typed; resolved if it ends in `.` or `..`, because the next run is named after this one."""
    return run.resolve() if run.name in ("", "..") else run


RUN = click.argument("run", metavar="RUN", type=click.Path(path_type=Path), callback=_as_typed)
NEW_RUN = click.option(
    "--out",
    "run",
    metavar="RUN",
    type=click.Path(path_type=Path),
    callback=_as_typed,
    required=True,
    help="New folder for everything that comes out.",
)
DATA = click.argument("data", metavar="DATA", type=click.Path(path_type=Path))
MOVED_ROOT = click.option("--root", type=click.Path(path_type=Path), help="Folder of the images, if they were moved.")
DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
THREADS = click.option("--threads", type=click.IntRange(min=1), help="For decoding.  [default: one a core]")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
CACHE = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="FIELDGUIDE_CACHE",
    default=lambda: Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "fieldguide"),
    show_default="~/.cache/fieldguide",
    help="Folder of decoded images; may be deleted at any time.",
)


class GroupedCommand(click.Command):
    """A command whose help lists its options under the groups of the recipe."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each group, and one for the other options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(context):
            record = parameter.get_help_record(context)
            if isinstance(parameter, click.Option) and record is not None:
                groups.setdefault(getattr(parameter, "group", _GENERAL), []).append(record)
        for name in (_GENERAL, *GROUPS):
            if name in groups:
                with formatter.section(name):
                    formatter.write_dl(groups[name])


class _RecipeOption(click.Option):
    """An option that sets something in the recipe. Attribute `group`: its heading in the help."""

    def __init__(self, declarations: Sequence[str], *, group: str, **attributes: Any) -> None:
        super().__init__(declarations, **attributes)
        self.group = group


def recipe_options(*, for_fit: bool) -> Callable[[Command], Command]:
    """Give a command --recipe and an option for every setting that has one, in the order of the recipe's groups.

    Args:
        for_fit: Whether the command trains; else the options that only matter there, and --lr, are left out.
    """

    def decorate(command: Command) -> Command:
        settings = [item for item in settings_of(Recipe()) if item.knob.option and (for_fit or not item.knob.only_fit)]
        for group in reversed(GROUPS):
            if group == _LR_GROUP and for_fit:
                command = click.option("--lr", cls=_RecipeOption, group=group, help=_LR_HELP)(command)
            for item in reversed([item for item in settings if item.knob.group == group]):
                command = _option(item)(command)
        return click.option(
            "--recipe", "recipe_file", type=click.Path(path_type=Path), help="TOML file; options override it."
        )(command)

    return decorate


def given_options(context: click.Context, *, without: Collection[str] = ()) -> Iterator[str]:
    """The options of the command line, as words of a command line, except those named in `without`."""
    for parameter in context.command.params:
        name = parameter.name or ""
        was_given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if isinstance(parameter, click.Option) and was_given and name not in without:
            yield parameter.opts[0]
            if not parameter.is_flag:
                yield str(context.params[name])


def _option(item: Setting) -> Callable[[Command], Command]:
    rules = item.knob
    default = rules.default_text or str(item.default)
    attributes: dict[str, Any] = {"is_flag": True, "default": None} if type(item.default) is bool else {}
    if rules.choices:
        attributes["type"] = click.Choice(rules.choices)
    elif rules.is_path:
        attributes["type"] = click.Path(path_type=Path)
    elif type(item.default) in (int, float):
        attributes["type"] = type(item.default)
    shown = f"  [default: {default}]" if default and type(item.default) is not bool else ""
    return click.option(
        f"--{rules.option}",
        cls=_RecipeOption,
        group=rules.group,
        help=as_command_line(f"{rules.help}{shown}"),
        **attributes,
    )
