"""The command `fieldguide deploy`."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fieldguide.deployment.files import write_files
from fieldguide.deployment.targets import TARGETS, Target
from fieldguide.deployment.values import EXAMPLE_HOST, EXAMPLE_IMAGE, MEMORY_STEP_MIB, Values, name_from, tag_from
from service.console import EXIT_FAILED, EXIT_NOT_STARTED, SectionedCommand, fail, option

if TYPE_CHECKING:
    from service.bundle import Bundle

_EPILOG = "Targets:\n\n\b\n" + "\n".join(f"{target.name:<11} {target.summary}" for target in TARGETS.values())


@click.command(short_help="Write the files that bring a bundle to the internet.", cls=SectionedCommand, epilog=_EPILOG)
@click.argument("target", type=click.Choice(list(TARGETS)), metavar="TARGET")
@click.argument("bundle", type=click.Path(path_type=Path))
@option("--out", type=click.Path(path_type=Path), required=True, help="New folder for the files.")
@option("--name", help="Name of the service.  [default: that of the model]")
@option("--image", help=f"Name of the image, such as {EXAMPLE_IMAGE}.  [default: name and version of the model]")
@option("--host", help=f"Public name of the host, such as {EXAMPLE_HOST}.  [default: none]")
@option(
    "--memory",
    "memory_mib",
    type=int,
    help="Memory limit, MiB; the service lowers its limits to it.  [default: what one core needs]",
)
def deploy(
    target: str,
    bundle: Path,
    *,
    out: Path,
    name: str | None,
    image: str | None,
    host: str | None,
    memory_mib: int | None,
) -> None:
    """Write the files that bring BUNDLE to TARGET, and print the commands that do it.

    The folder has all that an image is built from: the service, its dependencies with their hashes, the bundle, and
    the configuration of TARGET, filled in. Nothing is sent anywhere.

    Example: fieldguide deploy space run/bundle --out site
    """
    from service.bundle import BundleRefused, read_files
    from service.predictor import Predictor

    place = TARGETS[target]
    try:
        content, files = read_files(bundle)
        Predictor(content)  # checks the golden images, as the service does when it starts
    except BundleRefused as error:
        fail(str(error), code=EXIT_NOT_STARTED)
    values = _values(place, content, bundle, name=name, image=image, host=host, memory_mib=memory_mib)
    try:
        write_files(out, place, values, files)
    except FileExistsError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror or error}", code=EXIT_FAILED)
    for line in _next_steps(place, values, content, out):
        click.echo(line)


def _values(
    target: Target,
    bundle: Bundle,
    path: Path,
    *,
    name: str | None,
    image: str | None,
    host: str | None,
    memory_mib: int | None,
) -> Values:
    manifest = bundle.manifest
    name = name or name_from(manifest.name)
    if not name:
        raise click.UsageError(f"The name of the model, {manifest.name!r}, cannot name a service: give --name.")
    if target.needs_image and image is None:
        raise click.UsageError(f"{target.name} gets the image from a registry: give --image, such as {EXAMPLE_IMAGE}.")
    if target.needs_host and host is None:
        raise click.UsageError(f"{target.name} needs the public name of the host: give --host, such as {EXAMPLE_HOST}.")
    try:
        return Values(
            name=name,
            image=image or f"{name}:{tag_from(manifest.version)}",
            host=host or EXAMPLE_HOST,
            memory_mib=memory_mib if memory_mib is not None else _needed_mib(bundle, path),
        )
    except ValueError as error:
        message = str(error)
        raise click.UsageError(f"{message[0].upper()}{message[1:]}.") from error


def _needed_mib(bundle: Bundle, path: Path) -> int:
    """What the service needs with one core and its default limits, in steps that every place takes.

    The memory for bodies that arrive is what it lowers first: a place for a few slow clients need not cost more.
    """
    from service.memory import CALM_UPLOADS_BYTES, ServingLimits, bytes_needed
    from service.settings import Settings
    from service.web.server.footprint import footprint_of

    if sys.platform != "linux":
        raise click.UsageError("What the bundle needs can be measured only on Linux: give --memory, such as 1024.")
    limits = ServingLimits.of(Settings(), cores=1, max_pixels=bundle.spec.limits.max_pixels)
    limits = limits.at_most(max_upload_memory=CALM_UPLOADS_BYTES)
    steps = math.ceil(bytes_needed(footprint_of(path, model="fp32"), limits) / (MEMORY_STEP_MIB * 1024**2))
    return steps * MEMORY_STEP_MIB


def _next_steps(target: Target, values: Values, bundle: Bundle, out: Path) -> list[str]:
    manifest = bundle.manifest
    commands = [values.fill_in(command, folder=shlex.quote(str(out))) for command in target.commands]
    return [
        f"{out}: the model {manifest.name} {manifest.version} ({bundle.digest[:19]}...), ready for {target.summary}.",
        f"One core, {values.memory_mib:,} MiB of memory. Next:",
        "",
        *(f"    {command}" for command in commands),
        "",
        f"The page: {values.fill_in(target.url)}",
    ]
