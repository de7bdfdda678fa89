"""The commands export and calibrate: the bundle of a run again, with other options or calibrated on other images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from service.console import SectionedCommand, option
from trainer.cli.environment import command_environment
from trainer.cli.exit import clear_errors
from trainer.cli.options import (
    AS_JSON,
    CACHE,
    CACHE_MAX,
    DATA,
    MOVED_ROOT,
    RUN,
    SIGN_KEY,
    THREADS,
    Command,
    reading_options,
)
from trainer.cli.output import bundle_result, calibration_result, metrics_text, print_result

_READING = (
    *("path_column", "label_column", "suffix", "class_level", "pattern", "any_suffix", "allow_broken"),
    "data_root",
)
_EXAMPLES = """\b
Example:
  fieldguide calibrate run labelled --max-error 0.02 --out bears.zip
"""


def _bundle_options(command: Command) -> Command:
    """Give a command the options that say where a bundle goes, and what it is."""
    options = (
        option(
            "--out", metavar="BUNDLE", type=click.Path(path_type=Path), help="Folder or .zip.  [default: only --oci]"
        ),
        option(
            "--oci",
            metavar="DIR",
            type=click.Path(path_type=Path),
            help="New folder for an OCI image layout with the bundle under /models, for registries and image volumes.  "
            "[default: none is written]",
        ),
        option("--name", default="", help="Of the bundle.  [default: that of RUN]"),
        option("--version", default="1", show_default=True, help="Of the bundle."),
        option(
            "--golden",
            type=click.Choice(["synthetic", "validation"]),
            help="Images that the service checks at every start: drawn ones, or some of your validation images.  "
            "[default: as RUN's recipe says]",
        ),
        option(
            "--int8",
            type=click.Choice(["auto", "off", "require"]),
            help="Export the network in 8-bit integers, too: if that is as accurate (auto), never (off), or fail "
            "(require).  [default: as RUN's recipe says]",
        ),
        option(
            "--limits-of-use",
            metavar="TEXT",
            help="What the model must not be used for, or where it fails, for the card and /v1/model; a line is a "
            "text.  [default: as RUN's recipe says]",
        ),
        option(
            "--max-error",
            type=float,
            help="Largest fraction of the answers that may be wrong, such as 0.02: a prediction that is too uncertain "
            "for that is not given; 0: every one is.  [default: as RUN's recipe says]",
        ),
        option(
            "--confidence",
            type=float,
            help="How sure it must be that --max-error is kept.  [default: as RUN's recipe says]",
        ),
        option(
            "--set-level",
            type=float,
            help="Fraction of the images whose set of labels must hold the right one; 0: no sets.  "
            "[default: as RUN's recipe says]",
        ),
        SIGN_KEY,
        MOVED_ROOT,
        THREADS,
        CACHE,
        CACHE_MAX,
        AS_JSON,
    )
    for decorate in reversed(options):
        command = decorate(command)
    return command


@click.command(short_help="Write the bundle of a run again, as a folder or .zip.", cls=SectionedCommand)
@RUN
@option(
    "--calibration",
    metavar="DATA",
    type=click.Path(path_type=Path),
    help="Labelled images that chose nothing, as for fit: temperature, thresholds and sets are fitted on them.  "
    "[default: as RUN's recipe says]",
)
@_bundle_options
def export(
    run: Path,
    calibration: Path | None,
    threads: int | None,
    cache: Path | None,
    cache_max: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write a bundle from the best weights of RUN: a folder or .zip (--out), an OCI image layout (--oci), or both."""
    with clear_errors():
        from service.bundle import FP32
        from trainer.run import ExportOptions, LabelledImages, export_run

        images = None if calibration is None else LabelledImages(path=calibration)
        with command_environment(threads=threads, cache=cache, cache_max=cache_max) as environment:
            bundle = export_run(run, ExportOptions(**options, calibration=images), environment).bundle
    metrics = bundle.metrics_of(FP32).get("validation")
    print_result(*bundle_result(bundle, options, metrics_text("validation", metrics)), as_json)


@click.command(
    short_help="Write a bundle of a run, calibrated on other labelled images.", cls=SectionedCommand, epilog=_EXAMPLES
)
@RUN
@DATA
@option(
    "--data-root",
    type=click.Path(path_type=Path),
    help="Folder that the paths of a table are relative to.  [default: the folder of the table]",
)
@reading_options
@_bundle_options
def calibrate(
    run: Path,
    data: Path,
    threads: int | None,
    cache: Path | None,
    cache_max: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write a bundle of RUN whose temperature, thresholds and sets are fitted anew on DATA: labelled images, as for
    fit, that chose nothing. With --max-error it answers only if it is sure enough.
    """
    reading = {name: options.pop(name) for name in _READING}
    with clear_errors():
        from trainer.run import ExportOptions, LabelledImages, calibrate_run

        images = LabelledImages(path=data, root=reading.pop("data_root"), **reading)
        with command_environment(threads=threads, cache=cache, cache_max=cache_max) as environment:
            found = calibrate_run(run, images, ExportOptions(**options), environment)
    print_result(*calibration_result(found, options), as_json)
