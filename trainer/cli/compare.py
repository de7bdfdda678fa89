"""The command `compare`: two runs or bundles on the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from service.console import SectionedCommand, option
from trainer.cli.exit import as_command_line, clear_errors
from trainer.cli.options import AS_JSON, THREADS
from trainer.cli.output import print_result

_EXAMPLES = """\b
Examples:
  fieldguide compare run cleaned --out compare.html
  fieldguide compare run cleaned photos/test
  fieldguide compare old.zip new.zip test.csv
"""
_AS_BEFORE = "[default: as for the data of RUN2]"


@click.command(
    short_help="Compare two runs or bundles on the same images.",
    cls=SectionedCommand,
    most_used=("out", "root"),
    epilog=_EXAMPLES,
)
@click.argument("first", metavar="RUN1", type=click.Path(path_type=Path))
@click.argument("second", metavar="RUN2", type=click.Path(path_type=Path))
@click.argument("data", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="New .html page with the classes and the images that changed.  [default: none is written]",
)
@option(
    "--root",
    type=click.Path(path_type=Path),
    help="Folder that the paths of a table are relative to; without DATA, the folder of the runs' images, if they were "
    "moved.  [default: the folder of the table, or where the images were]",
)
@option("--path-column", help=f"Column of a table.  {_AS_BEFORE}")
@option("--label-column", help=f"Column of a table.  {_AS_BEFORE}")
@option(
    "--label-delimiter",
    help=f"Character between the labels of one image, for models of several labels.  {_AS_BEFORE}",
)
@option("--suffix", help=f"Suffix of the images, if the paths in a table have none.  {_AS_BEFORE}")
@option(
    "--class-level",
    type=click.IntRange(min=1),
    help=f"Level of the folder that is the label, counted from DATA.  {_AS_BEFORE}",
)
@option(
    "--pattern",
    help=f"Regular expression whose first group is the label, searched for in / and the path from DATA.  {_AS_BEFORE}",
)
@option(
    "--any-suffix",
    is_flag=True,
    default=None,
    help=f"Take files without the suffix of an image, too.  {_AS_BEFORE}",
)
@THREADS
@AS_JSON
def compare(
    first: Path,
    second: Path,
    data: Path | None,
    out: Path | None,
    root: Path | None,
    threads: int | None,
    as_json: bool,
    **reading: Any,
) -> None:
    """Compare two models, each a run or a bundle, on images that neither was trained on: DATA (as for fit), or the
    validation images of both runs. If the runs have other labels for the same images, both are used and named.
    """
    with clear_errors():
        from trainer.run import usable_threads
        from trainer.run.compare import compare_models, require_page, write_comparison
        from trainer.run.compare_images import CompareOptions
        from trainer.terminal import Terminal

        if out is not None:
            require_page(out)
        given = {name: value for name, value in reading.items() if value is not None}
        options = CompareOptions(data=data, root=root, reading=given)
        with Terminal(phrase=as_command_line) as progress:
            found = compare_models(first, second, options, threads=usable_threads(threads), progress=progress)
        if out is not None:
            write_comparison(found, out)
    page = {} if out is None else {"page": str(out)}
    print_result(found.to_json() | page, f"{found}" + (f"\npage: {out}" if out else ""), as_json)
