"""The service's commands: serve, predict, verify, sign, sizing; `fieldguide COMMAND` has them too.

Exit codes: 0 success, 1 the command failed (for `predict`: any image), 2 wrong usage, 3 the bundle was refused or the
service could not start, 130 interrupted. Each error is one line on stderr. Each command imports what it needs itself,
so that help and usage errors are fast.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from service import __version__
from service.console import (
    EXIT_FAILED,
    EXIT_NOT_STARTED,
    EXIT_USAGE,
    Program,
    SectionedCommand,
    fail,
    option,
    print_error,
)
from service.settings import DEFAULT_TOP_K, SETTING_GROUPS, BadSetting, Settings, all_settings, overlooked
from service.text import bundle_lines, prediction_lines, stripped

_DEMAND, _MEASUREMENT, _PRICES = "What is asked", "Measurement", "Prices"  # sections of the help of sizing
_MIN_OPEN_FILES = 32  # 16 are open while a bundle is read
# Settings that most people need; the help lists them first.
_MOST_USED = (
    *("host", "port", "threads", "max_body_bytes", "max_pixels", "deadline_s"),
    *("api_keys_file", "trusted_hosts", "cors_origins", "log_level"),
)


def main() -> NoReturn:
    """Run the command of this process's arguments, then exit."""
    cli.main(prog_name="python -m service")
    sys.exit(0)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="fieldguide %(version)s")
def cli() -> None:
    """Classify photos with the model of a bundle."""


BUNDLE = click.argument("bundle", type=click.Path())
JSON = option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.  [default: off]")


MODEL = option(
    "--model",
    type=click.Choice(["auto", "fp32", "int8"]),
    default="auto",
    show_default=True,
    help="Which model file runs; auto: the one in 8-bit integers if the bundle has it and it is faster here.",
)


def _setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorator: add a flag for every setting. `Settings.resolve` alone parses their values."""
    for setting in reversed([setting for setting in all_settings() if not setting.secret]):
        command = option(
            setting.flag,
            setting.name,
            section=setting.group,
            multiple=setting.is_list,
            metavar="|".join(setting.choices) or {int: "INTEGER", float: "NUMBER"}.get(setting.kind, "TEXT"),
            help=f"{setting.help}  [{setting.variable}; default: {_shown(setting.default)}]",
        )(command)
    return command


def _shown(default: object) -> str:
    return "none" if default == "" else str(default)


@cli.command(
    short_help="Serve a bundle over HTTP: a page and an API.",
    cls=SectionedCommand,
    sections=SETTING_GROUPS,
    most_used=_MOST_USED,
)
@click.argument("bundle", required=False, type=click.Path())
@_setting_options
def serve(bundle: str | None, **flags: str | tuple[str, ...] | None) -> None:
    """Serve BUNDLE, a folder or a zip, over HTTP until SIGINT or SIGTERM.

    Without BUNDLE, as in a container: FIELDGUIDE_BUNDLE, else what is at /bundle, /mnt/models or /opt/ml/model.

    Every setting is a flag or an environment variable. If both are given, the flag counts. API keys themselves have
    no flag: FIELDGUIDE_API_KEYS, or a file.

    Example: fieldguide serve run/bundle --host 0.0.0.0 --port 8000
    """
    # Until the server installs its own handlers there is nothing to clean up. The first process of a container
    # ignores SIGTERM if it has no handler, and SIGINT's exception must not interrupt an import halfway.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_at_once)
    try:
        settings = Settings.resolve(flags, os.environ)
    except BadSetting as error:
        raise click.UsageError(str(error)) from error

    _check_open_files()

    from service.bundle import find_bundle
    from service.web import server
    from service.web.telemetry import logs

    logs.configure(settings.log_level, form=settings.log_format)
    for warning in overlooked(os.environ):
        logging.getLogger(__name__).warning("%s", warning)

    try:
        with _bundle_errors():
            named = bundle or stripped(os.environ.get("FIELDGUIDE_BUNDLE", ""))
            server.serve(named or str(find_bundle()), settings)
    except (BadSetting, server.CannotListen) as error:
        fail(str(error), code=EXIT_NOT_STARTED)
    # A thread may still load the model, or run inference for a cancelled request. If the interpreter were shut down,
    # the thread's return from native code would abort the process.
    os._exit(0)


def _check_open_files() -> None:
    """Fail now rather than halfway, in an import or in the event loop."""
    from service.cores import open_files_limit

    limit = open_files_limit()
    if limit is not None and limit < _MIN_OPEN_FILES:
        fail(
            f"cannot start: {limit} open files are allowed (ulimit -n), {_MIN_OPEN_FILES} are needed",
            code=EXIT_NOT_STARTED,
        )


def _exit_at_once(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(0)


@cli.command(short_help="Classify images on the command line.", cls=SectionedCommand)
@BUNDLE
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path())
@JSON
@option(
    "--top-k",
    type=click.IntRange(min=1),
    default=DEFAULT_TOP_K,
    show_default=True,
    help="Classes to list for each image.",
)
@MODEL
@option(
    "--abstain",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="Whether the model gives no label if it does not know.",
)
def predict(bundle: str, images: tuple[str, ...], *, as_json: bool, top_k: int, model: str, abstain: str) -> None:
    """Classify each IMAGE; - is standard input.

    If an image fails, the others are still classified, and the exit code is 1.
    """
    from service.batch import predict_files
    from service.bundle import read_bundle
    from service.choosing import choose_predictor
    from service.predictor import Predictor

    with _bundle_errors():
        predictor = choose_predictor(read_bundle(bundle), model=model, kind=Predictor, abstain=abstain == "on")
    for warning in predictor.warnings:
        print_error(f"warning: {warning}")
    results = predict_files(images, predictor, top_k=top_k)
    problems = [result for result in results if "status" in result]
    if as_json:
        click.echo(json.dumps({"images": results}, allow_nan=False))
    else:
        for line in prediction_lines([result for result in results if "status" not in result]):
            click.echo(line)
    for problem in problems:
        print_error(f"{problem['path']}: {problem['detail']}")
    if problems:
        sys.exit(EXIT_FAILED)


@cli.command(short_help="Check every hash and golden image of a bundle.", cls=SectionedCommand)
@BUNDLE
@option(
    "--trusted-key",
    metavar="FILE",
    type=click.Path(),
    help="Public keys (Ed25519, PEM) of which one must have signed it.  [default: it need not be signed]",
)
@JSON
def verify(bundle: str, *, trusted_key: str | None, as_json: bool) -> None:
    """Check BUNDLE: the hash of every file, and the golden images with every model file."""
    from service.verification import verification_report

    with _bundle_errors():
        report = verification_report(bundle, trusted_key=trusted_key)
    if as_json:
        click.echo(json.dumps(report, allow_nan=False))
    else:
        for line in bundle_lines(report):
            click.echo(line)
    for warning in report["warnings"]:
        print_error(f"warning: {warning}")


@cli.command(short_help="Sign a bundle, so that services know who made it.", cls=SectionedCommand)
@BUNDLE
@option(
    "--key",
    metavar="FILE",
    type=click.Path(),
    required=True,
    help="Private key (Ed25519, PEM): openssl genpkey -algorithm ed25519 -out FILE.",
)
@option(
    "--out",
    metavar="SIGNED",
    type=click.Path(),
    help="New folder or .zip for a signed copy.  [default: manifest.sig is put into the folder BUNDLE]",
)
@JSON
def sign(bundle: str, *, key: str, out: str | None, as_json: bool) -> None:
    """Sign BUNDLE with a private key. Needs the extra `sign`.

    serve --trusted-key and verify --trusted-key check it with the public key: openssl pkey -in FILE -pubout.
    """
    from service.bundle import KeyUnusable, SigningKey
    from service.signing import sign_bundle

    with _bundle_errors():
        try:
            digest = sign_bundle(Path(bundle), SigningKey(key), out=None if out is None else Path(out))
        except (KeyUnusable, FileExistsError, ValueError) as error:
            fail(str(error), code=EXIT_USAGE)
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}", code=EXIT_FAILED)
    signed = out or str(Path(bundle, "manifest.sig"))
    click.echo(json.dumps({"signed": signed, "digest": digest}) if as_json else f"{signed}\n{digest}")


@cli.command(
    short_help="Say which cores and memory a number of photos needs.",
    cls=SectionedCommand,
    sections=(_DEMAND, _MEASUREMENT, _PRICES),
)
@BUNDLE
@option(
    "--photos-per-s",
    section=_DEMAND,
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Photos a second, at the busiest time.",
)
@option(
    "--utilization",
    section=_DEMAND,
    type=click.FloatRange(min=0, min_open=True, max=1),
    default=0.6,
    show_default=True,
    help="Fraction of the cores that they may keep busy; the rest is for photos that come unevenly.",
)
@option(
    "--cores-per-instance",
    section=_DEMAND,
    type=click.IntRange(min=1),
    help="Cores of one container or machine.  [default: one has all of them]",
)
@option(
    "--megapixels",
    section=_MEASUREMENT,
    type=click.FloatRange(min=0.01, max=200),
    default=12.0,
    show_default=True,
    help="Size of the photos, which are generated.",
)
@option(
    "--photo",
    "photos",
    section=_MEASUREMENT,
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    help="A photo of your own to measure with, several times for several.  [default: a generated one]",
)
@option(
    "--seconds",
    section=_MEASUREMENT,
    type=click.FloatRange(min=0),
    default=3.0,
    show_default=True,
    help="How long to measure.",
)
@option(
    "--core-hour",
    section=_PRICES,
    type=click.FloatRange(min=0),
    help="Price of a core for an hour, in any currency.  [default: no cost is shown]",
)
@option(
    "--gib-hour",
    section=_PRICES,
    type=click.FloatRange(min=0),
    help="Price of a GiB of memory for an hour.  [default: 0 if --core-hour is given]",
)
@MODEL
@JSON
def sizing(
    bundle: str, *, photos: tuple[str, ...], megapixels: float, model: str, as_json: bool, **options: Any
) -> None:
    """Measure BUNDLE on this machine, and say how many cores and how much memory it needs for a number of photos.

    Decoding and inference are measured on one core, for a few seconds. Nothing else should run meanwhile. Prices are
    those of your provider: none is built in.

    Example: fieldguide sizing run/bundle --photos-per-s 5 --megapixels 12 --core-hour 0.04 --gib-hour 0.005
    """
    from service.pixels import ImageError
    from service.sizing.needs import Demand, Prices
    from service.sizing.report import Measurement, sizing_lines, sizing_report

    if sys.platform != "linux":
        fail("the memory of the service can be measured only on Linux, for example in its container", code=EXIT_FAILED)
    demand = Demand(**{name: options[name] for name in ("photos_per_s", "utilization", "cores_per_instance")})
    given = {name: options[name] for name in ("core_hour", "gib_hour") if options[name] is not None}
    prices = Prices(**{"core_hour": 0, "gib_hour": 0, **given}) if given else None
    measurement = Measurement(
        photos=[Path(photo).read_bytes() for photo in photos], megapixels=megapixels, seconds=options["seconds"]
    )
    try:
        with _bundle_errors():
            report = sizing_report(bundle, demand, model=model, measurement=measurement, prices=prices)
    except ImageError as error:
        fail(f"a photo cannot be measured: {error}", code=EXIT_FAILED)
    if as_json:
        click.echo(json.dumps(report, allow_nan=False))
    else:
        for line in sizing_lines(report):
            click.echo(line)


@contextlib.contextmanager
def _bundle_errors() -> Iterator[None]:
    from service.bundle import BundleRefused

    try:
        yield
    except BundleRefused as error:
        fail(f"bundle refused: {error}", code=EXIT_NOT_STARTED)
