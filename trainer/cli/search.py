"""The command `search`: from words to photos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from service.console import SectionedCommand, option
from trainer.cli.download import SECTIONS, print_downloads, secret_options, shared_options
from trainer.cli.exit import as_command_line, clear_errors
from trainer.cli.options import AS_JSON, given_options
from trainer.command_line import command_line

_SEARCH = "Search"
_SEARCH_EXAMPLES = """\b
Examples:
  fieldguide search "grizzly bear" photos                          photos/grizzly bear/...
  fieldguide search photos grizzly "black bear" teddy --count 50   50 photos of each
  fieldguide search "bear cub" photos --label grizzly              other words for the same label
"""


@click.command(
    short_help="Search for openly licensed photos.",
    cls=SectionedCommand,
    sections=(_SEARCH, *SECTIONS),
    most_used=("count", "label", "contact"),
    epilog=_SEARCH_EXAMPLES,
)
@click.argument("words", metavar="QUERY... DIR", nargs=-1, required=True)
@option(
    "--count",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Number of images that each label should have in the end.",
)
@option("--label", default="", help="Label of all queries.  [default: each query is a label]")
@option(
    "--provider",
    section=_SEARCH,
    type=click.Choice(["openverse", "wikimedia"]),
    default="openverse",
    show_default=True,
    help="Where to search.",
)
@option(
    "--license",
    "licenses",
    section=_SEARCH,
    metavar="NAMES",
    default="commercial,modification",
    show_default=True,
    help="What the licence must allow: commercial use, modification, or both; any; or licences: cc0, pdm, by, by-sa, "
    "by-nd, by-nc, by-nc-sa, by-nc-nd.",
)
@option(
    "--size",
    section=_SEARCH,
    type=click.Choice(["small", "medium", "large"]),
    help="Size of the photos, as the provider sorts them.  [default: any]",
)
@option(
    "--source",
    "sources",
    section=_SEARCH,
    default="",
    help="Sources of Openverse, such as flickr,wikimedia.  [default: all]",
)
@option(
    "--credentials",
    section=_SEARCH,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="JSON file with client_id and client_secret of a key of Openverse.  [default: the variables "
    "FIELDGUIDE_OPENVERSE_CLIENT_ID and FIELDGUIDE_OPENVERSE_CLIENT_SECRET, or no key]",
)
@option(
    "--api", section=_SEARCH, metavar="URL", default="", help="Address of the API.  [default: that of the provider]"
)
@shared_options
@AS_JSON
@click.pass_context
def search(
    context: click.Context,
    /,
    words: tuple[str, ...],
    count: int,
    label: str,
    provider: str,
    licenses: str,
    size: str | None,
    sources: str,
    credentials: Path | None,
    api: str,
    as_json: bool,
    **shared: Any,
) -> None:
    """Search for openly licensed photos, and download them to DIR.

    Each query becomes a folder in DIR. DIR/attribution.csv names creators and licences; DIR/downloads.jsonl has the
    fate of every photo. If the command is stopped, the same one goes on. DIR may also come first.
    """
    queries, folder = split_words(words)
    with clear_errors() as command:
        from trainer.collect.jobs import download_options
        from trainer.collect.jobs import search as search_for
        from trainer.collect.photos import PhotoFilter
        from trainer.collect.search import SearchOptions
        from trainer.terminal import Terminal

        command.again = command_line("search", *words, *given_options(context, without=secret_options(shared)))
        wanted = PhotoFilter(licenses=_names(licenses), size=size or "", sources=_names(sources))
        chosen = SearchOptions(
            provider=provider,
            count=count,
            label=label,
            wanted=wanted,
            credentials=credentials,
            api=api,
            download=download_options(**shared),
        )
        with Terminal(phrase=as_command_line) as progress:
            progress.info(f"photos of {', '.join(queries)} for the folder {folder}")
            found = search_for(queries, folder, chosen, progress)
    text = str(replace(found, failure=""))
    images = sum(found.images.values())
    print_downloads(folder, images, found.to_json(), text, as_json=as_json, failure=found.failure)


def split_words(words: Sequence[str]) -> tuple[tuple[str, ...], Path]:
    """Tell the folder from the queries: it is the last word, or the first one.

    Of two words the last is the folder, of more the first; but a word that is a folder already, or has a slash in it,
    is it in any case.

    Raises:
        UsageError: There is no query, or both may be the folder.
    """
    if len(words) < 2:
        raise click.UsageError("give a query and a folder: fieldguide search QUERY... DIR")
    first, last = (os.sep in word or Path(word).is_dir() for word in (words[0], words[-1]))
    if first and last:
        raise click.UsageError(
            f"both {words[0]!r} and {words[-1]!r} may be the folder; write the queries without a slash"
        )
    if first or (len(words) > 2 and not last):
        return tuple(words[1:]), Path(words[0])
    return tuple(words[:-1]), Path(words[-1])


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().casefold() for name in text.split(",") if name.strip())
