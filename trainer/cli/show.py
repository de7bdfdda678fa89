"""`show`: what the network is fed, as a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from service.console import SectionedCommand, option
from trainer.cli.exit import as_command_line, clear_errors
from trainer.cli.options import AS_JSON, DATA, OPTION_SYNONYMS, THREADS, recipe_options
from trainer.cli.output import print_result
from trainer.recipe import GROUPS

_EXAMPLES = """\b
Examples:
  fieldguide show photos                                    writes sheets/photos.html
  fieldguide show photos --class grizzly --out grizzly.png
  fieldguide show photos --image photos/grizzly/1.jpg       nine views of one image
"""


@click.command(
    short_help="Show what the network is fed: images after augmentation.",
    cls=SectionedCommand,
    sections=GROUPS,
    most_used=("out", "count", "class_name", "image", "size", "seed", "recipe_file"),
    option_synonyms=OPTION_SYNONYMS,
    epilog=_EXAMPLES,
)
@DATA
@option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="New .html or .png.  [default: sheets/NAME.html, sheets/NAME-2.html ... with the name of DATA]",
)
@option(
    "--count",
    type=click.IntRange(1, 200),
    default=12,
    show_default=True,
    help="Number of training images, and of validation images.",
)
@option("--class", "class_name", metavar="NAME", help="Only images of this class.  [default: of different classes]")
@option(
    "--image",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Show one image of DATA as nine epochs show it.  [default: several images]",
)
@recipe_options(only_feed=True)
@THREADS
@AS_JSON
def show(
    data: Path,
    out: Path | None,
    count: int,
    class_name: str | None,
    image: Path | None,
    recipe_file: Path | None,
    threads: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Show what a fit on DATA would feed the network: training images after augmentation, beside the originals with
    their crops, and validation images. With the same seed, each view is the one that epoch 1 of `fit` uses.
    """
    with clear_errors():
        from trainer.recipe import apply_options
        from trainer.run import ShowOptions, choose_sheet, show_images, usable_threads, write_contact_sheet
        from trainer.terminal import Terminal

        with Terminal(phrase=as_command_line) as progress:
            chosen = ShowOptions(count=count, class_name=class_name, image=image)
            out = choose_sheet(out, data)
            recipe = apply_options(recipe_file, data, options, warn=progress.warn)
            sheet = show_images(recipe, chosen, threads=usable_threads(threads), progress=progress)
            write_contact_sheet(sheet, out)
    print_result({"sheet": str(out), **sheet.to_json()}, f"{sheet.lead}\nsheet: {out}", as_json)
