"""python -m service serve|predict|verify.

Exit codes: 0 done, 1 the work failed (for `predict`: any image), 2 wrong use, 3 the bundle was refused or the
service could not start. What goes wrong is one line on stderr. Each command imports what it needs itself, so that
help and wrong use are quick.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

import click

from service import __version__, tables
from service.settings import DEFAULT_TOP_K, BadSetting, Settings, all_settings

_FAILED, _WRONG_USE, _NOT_STARTED, _INTERRUPTED = 1, 2, 3, 130
_LEAST_FILES = 32  # 16 are open while a bundle is read


def main() -> NoReturn:
    """Run the command line of this process, and exit."""
    try:
        cli.main(prog_name="python -m service", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(_WRONG_USE)
    except click.ClickException as error:
        _fail(error.format_message(), code=error.exit_code)
    except click.Abort:
        _fail("interrupted", code=_INTERRUPTED)
    sys.exit(0)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="fieldguide %(version)s")
def cli() -> None:
    """Say what is in a photo, with a model from a bundle."""


def _setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """A flag for every row of the table; its text is read by `Settings.resolve` alone."""
    for setting in reversed([setting for setting in all_settings() if not setting.secret]):
        command = click.option(
            setting.flag,
            setting.name,
            metavar="|".join(setting.choices) or {int: "INTEGER", float: "NUMBER"}.get(setting.kind, "TEXT"),
            help=f"{setting.help}  [{setting.variable}; default: {setting.default}]",
        )(command)
    return command


@cli.command()
@click.argument("bundle")
@_setting_options
def serve(bundle: str, **flags: str | None) -> None:
    """Serve BUNDLE, a folder or a zip, over HTTP until SIGINT or SIGTERM.

    Every setting is a flag or an environment variable; the flag wins.
    """
    # Until the server has handlers of its own there is nothing to clean up. The first process of a container would
    # ignore SIGTERM without a handler; and an exception, as SIGINT raises it, must not fall into a half-done import.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        settings = Settings.resolve(flags, os.environ)
    except BadSetting as error:
        raise click.UsageError(str(error)) from error

    _check_files()

    from service.web import server
    from service.web.telemetry import logs

    logs.configure(settings.log_level, form=settings.log_format)

    try:
        with _bundle_errors():
            server.serve(bundle, settings)
    except (BadSetting, server.CannotListen) as error:
        _fail(str(error), code=_NOT_STARTED)
    # A thread may still load the model, or infer for a request that was given up. Were the interpreter taken down, its
    # return from native code would abort the process.
    os._exit(0)


def _check_files() -> None:
    """Not to fail halfway, where an import or the event loop cannot open one more."""
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= files < _LEAST_FILES:
        _fail(f"cannot start: {files} open files are allowed (ulimit -n), {_LEAST_FILES} needed", code=_NOT_STARTED)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(0)


@cli.command()
@click.argument("bundle")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@click.option(
    "--top-k", type=click.IntRange(min=1), default=DEFAULT_TOP_K, show_default=True, help="classes to list an image"
)
def predict(bundle: str, images: tuple[str, ...], *, as_json: bool, top_k: int) -> None:
    """Say what is in each IMAGE.

    Exit code 1 where any of them gave no answer; the others are answered all the same.
    """
    from service.batch import predict_files
    from service.bundle import read_bundle
    from service.predictor import Predictor

    with _bundle_errors():
        predictor = Predictor(read_bundle(bundle))
    for warning in predictor.warnings:
        _complain(f"warning: {warning}")
    answers = predict_files(images, predictor, top_k=top_k)
    failed = [answer for answer in answers if "status" in answer]
    if as_json:
        click.echo(json.dumps({"images": answers}, allow_nan=False))
    else:
        for line in tables.predictions([answer for answer in answers if "status" not in answer]):
            click.echo(line)
    for answer in failed:
        _complain(f"{answer['path']}: {answer['detail']}")
    if failed:
        sys.exit(_FAILED)


@cli.command()
@click.argument("bundle")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def verify(bundle: str, *, as_json: bool) -> None:
    """Check BUNDLE: the hash of every file, and the golden images with every model file."""
    from service.bundle import read_bundle
    from service.predictor import Predictor

    with _bundle_errors():
        whole = read_bundle(bundle)
        warnings = {name: Predictor(whole, model_file=name).warnings for name in whole.models}
    report: dict[str, Any] = {
        "name": whole.manifest.name,
        "version": whole.manifest.version,
        "created": whole.manifest.created,
        "digest": whole.digest,
        **whole.spec.to_json(),
        "models": list(whole.models),
        "golden_images": len(whole.golden),
        "metrics": whole.metrics,
        "warnings": [f"{name}: {warning}" for name in whole.models for warning in warnings[name]],
    }
    if as_json:
        click.echo(json.dumps(report, allow_nan=False))
    else:
        for line in tables.bundle(report):
            click.echo(line)
    for warning in report["warnings"]:
        _complain(f"warning: {warning}")


@contextlib.contextmanager
def _bundle_errors() -> Iterator[None]:
    from service.bundle import BundleRefused

    try:
        yield
    except BundleRefused as error:
        _fail(f"bundle refused: {error}", code=_NOT_STARTED)


def _complain(message: str) -> None:
    """One line on stderr."""
    click.echo(tables.plain(" ".join(message.split())), err=True)


def _fail(message: str, *, code: int) -> NoReturn:
    _complain(f"error: {message}")
    sys.exit(code)
