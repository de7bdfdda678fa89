"""The trainer's commands. `python -m trainer COMMAND`; `fieldguide COMMAND` has them too.

Exit codes: 0 done, 1 the work failed, 2 wrong use, 3 the bundle was refused, 130 interrupted. An error is one line on
standard error.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service import __version__
from service.console import Program, SectionedCommand, option
from trainer.cli.cache import cache_command
from trainer.cli.check import check
from trainer.cli.clean import clean
from trainer.cli.compare import compare
from trainer.cli.download import download
from trainer.cli.environment import command_environment
from trainer.cli.exit import as_command_line, clear_errors
from trainer.cli.export import calibrate, export
from trainer.cli.import_model import import_command
from trainer.cli.options import (
    AS_JSON,
    CACHE,
    CACHE_MAX,
    DATA,
    DEVICE,
    MOST_USED,
    MOVED_ROOT,
    NEW_RUN,
    OPTION_SYNONYMS,
    RUN,
    THREADS,
    given_options,
    reading_options,
    recipe_options,
)
from trainer.cli.output import (
    evaluation_json,
    evaluation_text,
    fit_json,
    fit_text,
    print_result,
    written,
)
from trainer.cli.search import search
from trainer.cli.show import show
from trainer.command_line import command_line
from trainer.recipe import GROUPS

if TYPE_CHECKING:  # torch takes seconds to import; --help and a wrong option do not need it
    pass

_FIT_EXAMPLES = """\b
Examples:
  fieldguide fit photos
  fieldguide fit photos --epochs 5 --lr 1e-3 --out run
  fieldguide fit photos.csv --label-column species
  fieldguide fit photos --freeze early:2,late:1   frozen for their first epochs
  fieldguide fit photos --sizes 128:3,224:2       3 epochs of small images first
"""
_DISTRIBUTED_COMMANDS = ("fit", "resume")  # torchrun may start several processes of these


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="fieldguide %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Fine-tune an image classifier on a folder of photos and export a bundle for the service."""
    require_one_process(context)


def require_one_process(context: click.Context) -> None:
    """Raise UsageError if torchrun started several processes of a command that runs in one."""
    if context.invoked_subcommand not in _DISTRIBUTED_COMMANDS and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise click.UsageError(f"{context.invoked_subcommand} runs in one process; start it without torchrun")


@main.command(short_help="Write a small real dataset to try everything on.", cls=SectionedCommand)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the planted faults.")
@AS_JSON
def sample(folder: Path, seed: int, as_json: bool) -> None:
    """Write a small real dataset to try everything on: handwritten digits, with planted faults."""
    from trainer.sample import write_sample

    with clear_errors():
        sample = write_sample(folder, seed=seed)
    value = {
        "folder": str(sample.folder),
        "held_out": str(sample.held_out),
        "planted": str(sample.planted_file),
        "recipe": str(sample.recipe_file),
        "files": sample.files,
        "faults": sample.faulty_files,
    }
    text = (
        f"{sample.files} handwritten digits in {sample.folder}, {sample.faulty_files} of them with a planted fault\n"
        f"  (listed in {sample.planted_file.name}; {sample.held_out.name} has good ones to evaluate on)\n"
        f"find them: {command_line('check', folder)}\n"
        f"next: {command_line('fit', folder, '--recipe', sample.recipe_file)}"
    )
    print_result(value, text, as_json)


main.add_command(search)
main.add_command(download)
main.add_command(check)


@main.command(
    short_help="Train on a folder, table or archive; export a bundle.",
    cls=SectionedCommand,
    sections=GROUPS,
    most_used=("run", *MOST_USED),
    option_synonyms=OPTION_SYNONYMS,
    epilog=_FIT_EXAMPLES,
)
@DATA
@NEW_RUN
@recipe_options(for_fit=True)
@DEVICE
@THREADS
@CACHE
@CACHE_MAX
@AS_JSON
def fit(
    data: Path,
    run: Path | None,
    recipe_file: Path | None,
    device: str,
    threads: int | None,
    cache: Path | None,
    cache_max: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train on DATA (a folder with one folder a class, a table, or an archive) and export RUN/bundle."""
    with clear_errors() as command:
        from trainer.recipe import apply_options, naming_options
        from trainer.run import RunFolder, choose_run, fit_run, follow_run

        with (
            naming_options(options),
            command_environment(device=device, threads=threads, cache=cache, cache_max=cache_max) as environment,
        ):
            command.run = run = choose_run(run, data, environment)
            if not environment.distributed.is_main:
                follow_run(run, environment, root=None)
                return
            recipe = apply_options(recipe_file, data, options, warn=environment.progress.warn)
            result = fit_run(recipe, run, environment)
    folder = RunFolder(run)
    print_result(fit_json(result, folder), fit_text(result, folder), as_json)


@main.command(
    "lr-find",
    short_help="Find learning rates for both stages of a training.",
    cls=SectionedCommand,
    sections=GROUPS,
    option_synonyms=OPTION_SYNONYMS,
    most_used=("folder", *(name for name in MOST_USED if name not in ("lr", "seed"))),
)
@DATA
@option(
    "--out",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="New folder for lr_find.json and its plot.  [default: none is written]",
)
@recipe_options(for_fit=False)
@DEVICE
@THREADS
@CACHE
@CACHE_MAX
@AS_JSON
@click.pass_context
def lr_find(
    context: click.Context,
    /,
    data: Path,
    folder: Path | None,
    recipe_file: Path | None,
    device: str,
    threads: int | None,
    cache: Path | None,
    cache_max: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find learning rates for both stages on DATA: sweeps in which the learning rate grows until the loss diverges."""
    with clear_errors():
        from trainer.recipe import apply_options, naming_options
        from trainer.run import find_lr

        with (
            naming_options(options),
            command_environment(device=device, threads=threads, cache=cache, cache_max=cache_max) as environment,
        ):
            recipe = apply_options(recipe_file, data, options, warn=environment.progress.warn)
            found = find_lr(recipe, environment, out=folder)
    lines = [line for stage, result in found.items() for line in result.table(stage)]
    again = given_options(context, without=("folder", "as_json"))
    auto = ("--lr", "auto") if all(result.is_clear for result in found.values()) else ()
    lines += [
        *written(folder, "lr_find.png"),
        f"next: {command_line('fit', data, *again, *auto)}",
    ]
    print_result({stage: result.to_json() for stage, result in found.items()}, "\n".join(lines), as_json)


@main.command(short_help="Continue a run that was stopped, for whatever reason.", cls=SectionedCommand)
@RUN
@MOVED_ROOT
@DEVICE
@THREADS
@CACHE
@CACHE_MAX
@AS_JSON
def resume(
    run: Path,
    root: Path | None,
    device: str,
    threads: int | None,
    cache: Path | None,
    cache_max: str | None,
    as_json: bool,
) -> None:
    """Continue RUN after it was stopped: by Ctrl-C, a kill, a full disk or a power cut."""
    with clear_errors() as command:
        from trainer.run import RunFolder, follow_run, resume_run

        command.run = run

        with command_environment(device=device, threads=threads, cache=cache, cache_max=cache_max) as environment:
            if not environment.distributed.is_main:
                follow_run(run, environment, root=root)
                return
            result = resume_run(run, environment, root=root)
    folder = RunFolder(run)
    print_result(fit_json(result, folder), fit_text(result, folder), as_json)


@main.command(short_help="Measure a bundle on labelled images that it has not seen.", cls=SectionedCommand)
@RUN
@click.argument("data", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@option(
    "--root",
    type=click.Path(path_type=Path),
    help="Folder that the paths of a table are relative to; without DATA, those of RUN.  "
    "[default: the folder of the table]",
)
@reading_options
@option(
    "--out",
    "predictions",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="New CSV with a line for each image, the worst mistakes first.  [default: none is written]",
)
@THREADS
@AS_JSON
def evaluate(run: Path, threads: int | None, as_json: bool, **options: Any) -> None:
    """Evaluate RUN/bundle on labelled images that it has not seen: DATA (as for fit), or RUN's own test images."""
    with clear_errors():
        from trainer.run import EvaluationOptions, evaluate_run, usable_threads
        from trainer.terminal import Terminal

        with Terminal(phrase=as_command_line) as progress:
            found = evaluate_run(run, EvaluationOptions(**options), threads=usable_threads(threads), progress=progress)
    print_result(evaluation_json(found), evaluation_text(found), as_json)


main.add_command(compare)


@main.command(short_help="Write the report of a run again.", cls=SectionedCommand)
@RUN
@MOVED_ROOT
@AS_JSON
def report(run: Path, root: Path | None, as_json: bool) -> None:
    """Write RUN/report.html again: what RUN learned, how well, and where it fails, in one page."""
    with clear_errors():
        from trainer.run import report_run

        page = report_run(run, root=root)
    print_result({"report": str(page)}, str(page), as_json)


main.add_command(export)
main.add_command(calibrate)
main.add_command(import_command)
main.add_command(show)
main.add_command(clean)
main.add_command(cache_command)
