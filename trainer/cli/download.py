"""The command `download`: from a list of URLs to photos; and the options that every download has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from service.console import EXIT_FAILED, SectionedCommand, option
from trainer.cli.exit import as_command_line, clear_errors, fail
from trainer.cli.options import AS_JSON, given_options
from trainer.cli.output import print_result
from trainer.command_line import command_line

Command = Callable[..., Any]

_IMAGES = "Images"
_SERVERS = "Servers"
SECTIONS = (_IMAGES, _SERVERS)
_DOWNLOAD_EXAMPLES = """\b
Examples:
  fieldguide download bears.csv photos              columns url and label: photos/grizzly/..., photos/black/...
  fieldguide download urls.txt photos --label teddy
  fieldguide download bears.csv photos --max 50     50 images of each label
"""
_SHARED = (
    option(
        "--max-bytes",
        section=_IMAGES,
        type=click.IntRange(1_000, 1_000_000_000),
        default=30_000_000,
        show_default=True,
        help="Largest size of an image in bytes.",
    ),
    option(
        "--max-pixels",
        section=_IMAGES,
        type=click.IntRange(1, 50_000_000),
        default=50_000_000,
        show_default=True,
        help="Largest number of pixels of an image.",
    ),
    option(
        "--timeout",
        section=_SERVERS,
        metavar="SECONDS",
        type=click.FloatRange(0.1, 3_600),
        default=60.0,
        show_default=True,
        help="Longest time for one request, from the look-up of the name to the last byte.",
    ),
    option(
        "--retries",
        section=_SERVERS,
        type=click.IntRange(0, 10),
        default=2,
        show_default=True,
        help="How often a request is repeated after an error that may pass.",
    ),
    option(
        "--max-wait",
        section=_SERVERS,
        metavar="SECONDS",
        type=click.FloatRange(0, 86_400),
        default=300.0,
        show_default=True,
        help="Longest time that a server may ask to wait; all its images fail if it asks for more.",
    ),
    option(
        "--contact",
        section=_SERVERS,
        default="",
        help="Your mail address or page, in the header User-Agent: an administrator can write to you.  [default: none]",
    ),
    option(
        "--proxy",
        section=_SERVERS,
        default="",
        metavar="URL",
        help="Proxy, http://HOST:PORT, that is asked by CONNECT for addresses that were checked here. Variables such "
        "as HTTPS_PROXY do not count.  [default: none]",
    ),
    option(
        "--allow-private",
        section=_SERVERS,
        is_flag=True,
        help="Connect to addresses of your own network, too. Only for lists that you wrote.  [default: off]",
    ),
    option(
        "--ignore-robots-txt",
        section=_SERVERS,
        is_flag=True,
        help="Download what robots.txt of a server forbids.  [default: off]",
    ),
    option(
        "--ignore-x-robots-tag",
        section=_SERVERS,
        is_flag=True,
        help="Keep images whose server says noai, noimageai, noindex, noimageindex or noml.  [default: off]",
    ),
    option(
        "--retry-failed",
        is_flag=True,
        help="Try again what failed in an earlier command, or was removed since.  [default: off]",
    ),
)


def shared_options(command: Command) -> Command:
    """Give a command the options of every download."""
    for decorate in reversed(_SHARED):
        command = decorate(command)
    return command


@click.command(
    short_help="Download images from a list of URLs.",
    cls=SectionedCommand,
    sections=SECTIONS,
    most_used=("max_per_label", "label", "retry_failed"),
    epilog=_DOWNLOAD_EXAMPLES,
)
@click.argument("urls", metavar="LIST", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@option(
    "--max",
    "max_per_label",
    type=click.IntRange(min=1),
    help="Most images of each label: the first ones of the list that can be downloaded.  [default: all]",
)
@option("--label", default="", help="Label of all images, if LIST has none.  [default: none]")
@option("--url-column", default="", help="Column of a table.  [default: url]")
@option("--label-column", default="", help="Column of a table.  [default: label, if there is one]")
@shared_options
@AS_JSON
@click.pass_context
def download(
    context: click.Context,
    /,
    urls: Path,
    folder: Path,
    max_per_label: int | None,
    label: str,
    url_column: str,
    label_column: str,
    as_json: bool,
    **shared: Any,
) -> None:
    """Download the images of LIST to DIR. LIST has a URL in each line, or is a table with the columns url and label.

    Each label becomes a folder in DIR. DIR/downloads.jsonl has the fate of every URL. If the command is stopped, the
    same one goes on. Addresses that are not public are refused; robots.txt is obeyed.
    """
    with clear_errors() as command:
        from trainer.collect.jobs import download_list, download_options
        from trainer.collect.urls import read_list
        from trainer.terminal import Terminal

        command.again = command_line("download", urls, folder, *given_options(context, without=secret_options(shared)))
        options = download_options(max_per_label=max_per_label, **shared)
        with Terminal(phrase=as_command_line) as progress:
            sources = read_list(urls, url_column=url_column, label_column=label_column, label=label)
            found = download_list(sources, folder, options, progress)
    print_downloads(folder, found.images, found.to_json(), str(found), as_json=as_json)


def secret_options(shared: dict[str, Any]) -> tuple[str, ...]:
    """Names of the options whose values are not repeated in a message: a proxy with a password."""
    return ("proxy",) if "@" in shared["proxy"] else ()


def print_downloads(
    folder: Path, images: int, value: dict[str, Any], text: str, *, as_json: bool, failure: str = ""
) -> None:
    """Print what came of a download, and exit with 1 if something failed or there is no image."""
    following = f"\nnext: {command_line('check', folder)}" if images else ""
    print_result(value, as_command_line(text) + following, as_json)
    if failure:
        fail(failure, EXIT_FAILED)
    if not images:
        fail(f"no image came, and none was there before: {folder}", EXIT_FAILED)
