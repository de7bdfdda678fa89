"""What several verbs take: RUN, and the options that say which images are learned from, and how."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

Command = Callable[..., Any]

_OPTIONS = (
    click.option("--valid", type=click.Path(path_type=Path), help="Second folder or CSV to validate on."),
    click.option(
        "--root", type=click.Path(path_type=Path), help="Where a CSV's paths start from.  [default: its folder]"
    ),
    click.option("--path-column", help="Column of a CSV.  [default: path]"),
    click.option("--label-column", help="Column of a CSV.  [default: label]"),
    click.option("--label-delimiter", help="Between the labels of one cell, such as ';': makes it multilabel."),
    click.option("--coarse-column", help="Column of a CSV: coarser classes, whose accuracy is told too."),
    click.option("--valid-fraction", type=float, help="Share held out without --valid.  [default: 0.2]"),
    click.option("--recipe", "recipe_file", type=click.Path(path_type=Path), help="TOML file; options go before it."),
    click.option("--backbone", help="efficientnet_lite0 (1, 2), tiny, torchvision/NAME or timm/NAME."),
    click.option(
        "--weights", help="pretrained, none, or a file: .safetensors or of torch.save; a run's best.safetensors too."
    ),
    click.option("--size", type=int, help="Split of the model's input in pixels.  [default: the backbone's]"),
    click.option("--epochs", type=int, help="Of the whole network; 0 trains the head only."),
    click.option("--head-epochs", type=int, help="Of the head on the frozen body."),
    click.option("--batch-size", type=int, help="Of the whole network."),
    click.option("--sizes", help="Sides of the training images, each with its epochs, such as 128:3,224:2."),
    click.option("--mixup", type=float, help="Alpha of mixup, such as 0.2.  [default: 0, off]"),
    click.option("--cutmix", type=float, help="Alpha of cutmix, such as 1.  [default: 0, off]"),
    click.option(
        "--balance",
        type=click.Choice(["none", "sampler", "loss"]),
        help="Rare classes: drawn more often, or counting more in the loss.  [default: none]",
    ),
    click.option("--clip-norm", type=float, help="Largest norm of the gradient.  [default: 0, any]"),
    click.option("--accumulate", type=int, help="Parts in which a batch is worked on, for less memory.  [default: 1]"),
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
        help="Of the training; auto: bf16 or fp16 on a GPU, on a CPU bf16 for the frozen body.  [default: auto]",
    ),
    click.option("--seed", type=int),
)


def named(_context: click.Context, _parameter: click.Parameter, run: Path) -> Path:
    """A RUN as it was typed; in full where it ends in `.` or `..`, as the next run gets its name from that of this."""
    return run.resolve() if run.name in ("", "..") else run


def training_options(command: Command) -> Command:
    """Give a command the options, in their order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given_options(context: click.Context, *, without: Collection[str] = ()) -> Iterator[str]:
    """The options that stood on the command line, as words of one; those with a name in `without` are left out."""
    for parameter in context.command.params:
        name = parameter.name or ""
        on_the_line = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if isinstance(parameter, click.Option) and on_the_line and name not in without:
            yield parameter.opts[0]
            if not parameter.is_flag:
                yield str(context.params[name])
