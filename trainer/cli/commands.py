"""`python -m trainer VERB`: see each verb's --help.

Exit codes: 0 done, 1 the work failed, 2 wrong use, 3 the bundle was refused. What is wrong is said in one line on
standard error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.cores import usable_cores
from trainer.cli.errors import clear_errors
from trainer.cli.options import given_options, named, training_options
from trainer.cli.output import command, figures, judgement, judgement_lines, story, summary
from trainer.cli.overrides import recipe_keys

if TYPE_CHECKING:  # torch takes seconds to import; --help and a wrong flag shall not
    from trainer.run import Environment

_TOGETHER = ("fit", "resume")  # what torchrun may start several processes of

_RUN = click.argument("run", metavar="RUN", type=click.Path(path_type=Path), callback=named)
_GOLDEN = click.option(
    "--golden",
    type=click.Choice(["synthetic", "validation"]),
    help="Images that every start of the service checks: drawn ones, or some of your validation images.  "
    "[default: synthetic]",
)
_MOVED = click.option("--root", type=click.Path(path_type=Path), help="Where the images are now, if they were moved.")
_DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
_THREADS = click.option("--threads", type=click.IntRange(min=1), help="For decoding.  [default: one a core]")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_CACHE = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="FIELDGUIDE_CACHE",
    default=lambda: Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "fieldguide"),
    show_default="~/.cache/fieldguide",
    help="Folder of decoded images; may be deleted at any time.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="fieldguide")
@click.pass_context
def main(context: click.Context) -> None:
    """Fine-tune an image classifier on a folder of photos and export a bundle for the service."""
    if context.invoked_subcommand not in _TOGETHER and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise click.UsageError(f"{context.invoked_subcommand} works in one process; start it without torchrun")


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@_JSON
def sample(folder: Path, seed: int, as_json: bool) -> None:
    """Write a small real dataset to try everything on: handwritten digits, with planted faults."""
    from trainer.sample import write_sample

    with clear_errors():
        written = write_sample(folder, seed=seed)
    described = {
        "folder": str(written.folder),
        "held_out": str(written.held_out),
        "planted": str(written.planted_file),
        "recipe": str(written.recipe_file),
        "files": written.files,
        "faults": len(written.planted),
    }
    story = (
        f"{written.files} handwritten digits in {written.folder}, {len(written.planted)} of them with a planted fault\n"
        f"  (listed in {written.planted_file.name}; {written.held_out.name} has sound ones to evaluate it on)\n"
        f"next: {command('trainer', 'fit', folder, '--recipe', written.recipe_file, '--out', 'RUN')}"
    )
    _report(described, story, as_json)


@main.command()
@click.argument("data", metavar="DATA", type=click.Path(path_type=Path))
@click.option(
    "--out", "run", metavar="RUN", type=click.Path(path_type=Path), callback=named, required=True, help="New folder."
)
@training_options
@click.option(
    "--lr",
    help="Peak learning rate of the whole network: the head's, of which pretrained earliest layers get a tenth; or "
    "FIRST:HEAD, geometric between; or auto: those of both stages are found by sweeps. With --epochs 0 the head's own.",
)
@click.option(
    "--freeze", help="Groups (early, late, head) that learn nothing for so many epochs, or at all: early,late:2."
)
@click.option("--patience", type=int, help="Stop after so many epochs without a better one.  [default: 0, never]")
@click.option("--compile", is_flag=True, default=None, help="Compile the network: minutes once, for long runs.")
@click.option("--name", help="Of the bundle.  [default: the name of DATA]")
@click.option("--tensorboard", is_flag=True, default=None, help="Write RUN/tensorboard too; needs an extra.")
@_GOLDEN
@_DEVICE
@_THREADS
@_CACHE
@_JSON
def fit(
    data: Path,
    run: Path,
    recipe_file: Path | None,
    device: str,
    threads: int | None,
    cache: Path,
    as_json: bool,
    **asked: Any,
) -> None:
    """Train on DATA (a folder with one folder a class, or a CSV) and export RUN/bundle."""
    with clear_errors(resumable=True):
        from trainer.recipe_reading import read_recipe
        from trainer.run import fit_run, follow_run

        with _environment(device=device, threads=threads, cache=cache) as environment:
            if not environment.processes.is_main:
                follow_run(run, environment, root=None)
                return
            recipe = read_recipe(recipe_file, recipe_keys(data, asked))
            outcome = fit_run(recipe, run, environment)
    _report(summary(outcome, run), story(outcome, run), as_json)


@main.command("lr-find")
@click.argument("data", metavar="DATA", type=click.Path(path_type=Path))
@click.option("--out", "folder", metavar="DIR", type=click.Path(path_type=Path), help="For lr_find.json and its plot.")
@training_options
@_DEVICE
@_THREADS
@_CACHE
@_JSON
@click.pass_context
def lr_find(
    context: click.Context,
    /,
    data: Path,
    folder: Path | None,
    recipe_file: Path | None,
    device: str,
    threads: int | None,
    cache: Path,
    as_json: bool,
    **asked: Any,
) -> None:
    """Find learning rates for both stages on DATA: sweeps in which the rate grows until the loss bursts."""
    with clear_errors():
        from trainer.recipe_reading import read_recipe
        from trainer.run import find_lr

        recipe = read_recipe(recipe_file, recipe_keys(data, asked))
        with _environment(device=device, threads=threads, cache=cache) as environment:
            found = find_lr(recipe, environment, folder=folder)
    lines = [line for stage, rate in found.items() for line in rate.table(stage)]
    lines += [f"plot: {folder / 'lr_find.png'}"] if folder else []
    again = given_options(context, without=("folder", "as_json"))
    lines += [f"next: {command('trainer', 'fit', data, *again, '--lr', 'auto', '--out', 'RUN')}"]
    _report({stage: rate.to_json() for stage, rate in found.items()}, "\n".join(lines), as_json)


@main.command()
@_RUN
@_MOVED
@_DEVICE
@_THREADS
@_CACHE
@_JSON
def resume(run: Path, root: Path | None, device: str, threads: int | None, cache: Path, as_json: bool) -> None:
    """Go on with RUN after it was stopped: by Ctrl-C, a kill, a full disk or a power cut."""
    with clear_errors(resumable=True):
        from trainer.run import follow_run, resume_run

        with _environment(device=device, threads=threads, cache=cache) as environment:
            if not environment.processes.is_main:
                follow_run(run, environment, root=root)
                return
            outcome = resume_run(run, environment, root=root)
    _report(summary(outcome, run), story(outcome, run), as_json)


@main.command()
@_RUN
@click.argument("data", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--root", type=click.Path(path_type=Path), help="Where a CSV's paths start from; without DATA, those of RUN."
)
@click.option("--path-column", help="Column of a CSV.  [default: as RUN's data had it]")
@click.option("--label-column", help="Column of a CSV.  [default: as RUN's data had it]")
@click.option(
    "--out",
    "predictions",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV with a line an image, the worst mistakes first.",
)
@_THREADS
@_JSON
def evaluate(run: Path, threads: int | None, as_json: bool, **asked: Any) -> None:
    """Measure RUN/bundle on labelled images that it has not seen: DATA (folder or CSV), or RUN's own test images."""
    with clear_errors():
        from trainer.cli.console import Terminal
        from trainer.run import EvaluationOptions, evaluate_run

        with Terminal() as progress:
            found = evaluate_run(run, EvaluationOptions(**asked), threads=threads or usable_cores(), progress=progress)
    _report(judgement(found), judgement_lines(found), as_json)


@main.command()
@_RUN
@_MOVED
@_JSON
def report(run: Path, root: Path | None, as_json: bool) -> None:
    """Write RUN/report.html again: what RUN learned, how well, and where it fails, in one page."""
    with clear_errors():
        from trainer.run import report_run

        page = report_run(run, root=root)
    _report({"report": str(page)}, str(page), as_json)


@main.command()
@_RUN
@click.option(
    "--out", "target", metavar="BUNDLE", type=click.Path(path_type=Path), required=True, help="Folder or .zip."
)
@click.option("--name", default="", help="Of the bundle.  [default: that of RUN]")
@click.option("--version", default="1", show_default=True, help="Of the bundle.")
@_GOLDEN
@_MOVED
@_THREADS
@_CACHE
@_JSON
def export(
    run: Path,
    target: Path,
    name: str,
    version: str,
    golden: str | None,
    root: Path | None,
    threads: int | None,
    cache: Path,
    as_json: bool,
) -> None:
    """Write a bundle, folder or .zip, from the best weights of RUN."""
    with clear_errors():
        from trainer.run import export_run

        with _environment(device="cpu", threads=threads, cache=cache) as environment:
            bundle = export_run(run, target, environment, root=root, name=name, version=version, golden=golden or "")
    described = {"bundle": str(target), "digest": bundle.digest, "validation": bundle.metrics["validation"]}
    _report(described, f"{target}\n{bundle.digest}\n{figures('validation', bundle.metrics['validation'])}", as_json)


@contextmanager
def _environment(*, device: str, threads: int | None, cache: Path) -> Iterator[Environment]:
    from trainer.cli.console import Terminal
    from trainer.progress import WarningsOnly
    from trainer.run import Environment
    from trainer.training.device import limit_threads
    from trainer.training.distributed import init_distributed

    limit_threads(usable_cores())
    with (
        init_distributed() as processes,
        Terminal() if processes.is_main else nullcontext(WarningsOnly(_warn)) as progress,
    ):
        yield Environment(
            device=processes.device(device),
            threads=threads or usable_cores(),
            cache=cache,
            progress=progress,
            processes=processes,
        )


def _warn(line: str) -> None:
    click.echo(line, err=True)


def _report(value: Mapping[str, Any], text: str, as_json: bool) -> None:
    click.echo(json.dumps(value, indent=1, ensure_ascii=False) if as_json else text)
