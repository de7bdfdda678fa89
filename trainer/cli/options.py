"""The options that several commands share. Those of a recipe are made from its settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from service.console import option
from trainer.cli.exit import as_command_line
from trainer.recipe import DEFAULT_LR_TEXT, FEED_GROUPS, GROUPS, SYNONYMS, Recipe, Setting, settings_of

Command = Callable[..., Any]

# What other programs call an option -> the option.
OPTION_SYNONYMS = {f"--{name.replace('_', '-')}": f"--{meant.replace('_', '-')}" for name, meant in SYNONYMS.items()}
# What most people need, in the order in which the help lists it.
MOST_USED = ("valid", "epochs", "lr", "batch_size", "backbone", "size", "seed", "device", "recipe_file")
_LR_HELP = (
    "Maximum learning rate of the head in fine-tuning. Examples: 1e-3 (pretrained earliest layers get a tenth of it); "
    "1e-5:1e-3 (geometric, from the earliest layers to the head); auto (found by sweeps, for both stages). With "
    f"--epochs 0: that of the head stage.  [default: {DEFAULT_LR_TEXT}]"
)
# What decides which images the network is fed, besides the settings of FEED_GROUPS.
_FEED = (
    *("backbone", "size", "seed", "balance"),
    *("finetune.epochs", "finetune.batch_size", "finetune.sizes", "finetune.mixup", "finetune.cutmix"),
)
_LR_GROUP = next(item.knob.group for item in settings_of(Recipe()) if item.key == "finetune.lr")


def _as_typed(_context: click.Context, _parameter: click.Parameter, run: Path | None) -> Path | None:
    """RUN as it was typed; resolved if it ends in `.` or `..`, because the next run is named after this one."""
    return run.resolve() if run is not None and run.name in ("", "..") else run


RUN = click.argument("run", metavar="RUN", type=click.Path(path_type=Path), callback=_as_typed)
NEW_RUN = option(
    "--out",
    "run",
    metavar="RUN",
    type=click.Path(path_type=Path),
    callback=_as_typed,
    help="New folder for everything that comes out.  [default: runs/NAME, runs/NAME-2 ... with the name of DATA]",
)
DATA = click.argument("data", metavar="DATA", type=click.Path(path_type=Path))
MOVED_ROOT = option(
    "--root",
    type=click.Path(path_type=Path),
    help="Folder of the images, if they were moved.  [default: where they were]",
)
DEVICE = option(
    "--device",
    default="auto",
    show_default=True,
    help="Device that trains: auto (a GPU if there is one), cpu, cuda, cuda:1 or mps.",
)
THREADS = option("--threads", type=click.IntRange(min=1), help="Threads that decode images.  [default: one per core]")
AS_JSON = option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.  [default: off]")
SIGN_KEY = option(
    "--sign-key",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Private key (Ed25519, PEM) that signs the bundle; needs the extra sign.  [default: it is not signed]",
)
CACHE = option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="FIELDGUIDE_CACHE",
    help="Folder of decoded images; may be deleted at any time.  [FIELDGUIDE_CACHE; default: ~/.cache/fieldguide]",
)


CACHE_MAX = option(
    "--cache-max",
    metavar="SIZE",
    envvar="FIELDGUIDE_CACHE_MAX",
    help="Largest size of that folder, such as 20GB: the caches used longest ago go first. Images that do not fit are "
    "decoded whenever they are needed.  [FIELDGUIDE_CACHE_MAX; default: a fifth of the free disk]",
)


def recipe_options(*, for_fit: bool = False, only_feed: bool = False) -> Callable[[Command], Command]:
    """Give a command --recipe and an option for every setting that has one, in the order of the recipe's groups.

    Args:
        for_fit: Whether the command trains; else the options that only matter there, and --lr, are left out.
        only_feed: Whether only the options are wanted that decide what the network is fed.
    """

    def decorate(command: Command) -> Command:
        settings = [
            item
            for item in settings_of(Recipe())
            if item.knob.option
            and (for_fit or not item.knob.only_fit)
            and (not only_feed or item.knob.group in FEED_GROUPS or item.key in _FEED)
        ]
        for group in reversed(GROUPS):
            for item in reversed([item for item in settings if item.knob.group == group]):
                command = _option(item)(command)
        if for_fit:
            command = option("--lr", section=_LR_GROUP, metavar="LR", help=_LR_HELP)(command)
        recipe: Callable[[Command], Command] = option(
            "--recipe",
            "recipe_file",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="TOML file with settings, such as RUN/recipe.toml; options override it.  [default: none]",
        )
        return recipe(command)

    return decorate


def data_options(command: Command) -> Command:
    """Give a command the options that say how DATA is read, in the order of the recipe."""
    settings = [item for item in settings_of(Recipe()) if item.knob.option and item.key.startswith("data.")]
    for item in reversed(settings):
        command = _option(item)(command)
    return command


def reading_options(command: Command) -> Command:
    """Give a command the options that say how images are read that are not those of RUN."""
    options = (
        option("--path-column", help="Column of a table.  [default: that of RUN's data]"),
        option("--label-column", help="Column of a table.  [default: that of RUN's data]"),
        option(
            "--suffix", help="Suffix of the images, if the paths in a table have none.  [default: that of RUN's data]"
        ),
        option(
            "--class-level",
            type=click.IntRange(min=1),
            help="Level of the folder that is the label, counted from DATA.  [default: as for RUN's data]",
        ),
        option(
            "--pattern",
            help="Regular expression whose first group is the label, searched for in / and the path from DATA.  "
            "[default: as for RUN's data]",
        ),
        option(
            "--any-suffix",
            is_flag=True,
            default=None,
            help="Take files without the suffix of an image, too.  [default: as for RUN's data]",
        ),
        option(
            "--allow-broken",
            type=click.FloatRange(0, 1),
            help="Largest fraction of the images that may be undecodable; these are left out.  [default: that of RUN]",
        ),
    )
    for decorate in reversed(options):
        command = decorate(command)
    return command


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
    is_flag = type(item.default) is bool
    attributes: dict[str, Any] = {"is_flag": True, "default": None} if is_flag else {}
    if rules.choices:
        attributes["type"] = click.Choice(rules.choices)
    elif rules.is_path:
        attributes["type"] = click.Path(path_type=Path)
    elif type(item.default) in (int, float):
        attributes["type"] = type(item.default)
    default = rules.default_text or ("off" if is_flag else str(item.default) or "none")
    decorator: Callable[[Command], Command] = option(
        f"--{rules.option}",
        section=rules.group,
        help=as_command_line(f"{rules.help}  [default: {default}]"),
        **attributes,
    )
    return decorator
