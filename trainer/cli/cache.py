"""`cache`: what the folder of decoded images holds, and how to empty it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.console import SectionedCommand, option, print_error
from trainer.cli.exit import as_command_line, clear_errors
from trainer.cli.options import AS_JSON, CACHE, CACHE_MAX
from trainer.cli.output import print_result

if TYPE_CHECKING:  # torch takes seconds to import
    from trainer.data import CacheEntry

_EXAMPLES = """\b
Examples:
  fieldguide cache                         what is there
  fieldguide cache clear                   removes all that no run uses
  fieldguide cache clear --older-than 30   what was not used for 30 days
"""
_AGES = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


@click.command("cache", short_help="Show or empty the cache of decoded images.", cls=SectionedCommand, epilog=_EXAMPLES)
@click.argument("action", metavar="[clear]", required=False, type=click.Choice(["clear"]))
@option(
    "--older-than",
    metavar="DAYS",
    type=click.FloatRange(min=0),
    help="With clear: remove only what was last used more days ago.  [default: all]",
)
@CACHE
@CACHE_MAX
@AS_JSON
def cache_command(
    action: str | None, older_than: float | None, cache: Path | None, cache_max: str | None, as_json: bool
) -> None:
    """Show the cache of decoded images: each data set, its size, and when it was last used; or empty it.

    Nothing is removed but what fieldguide has written there, and no cache that a run uses.
    """
    if older_than is not None and action is None:
        raise click.UsageError("--older-than is for clear: fieldguide cache clear --older-than DAYS")
    with clear_errors():
        from trainer.data import clear_caches, format_bytes, list_caches, max_cache_bytes, parse_bytes
        from trainer.run.environment import default_cache

        folder = cache or default_cache(warn=_warn)
        limit = max_cache_bytes(folder, None if cache_max is None else parse_bytes(cache_max))
        if action is None:
            entries = list_caches(folder)
            total = sum(entry.size_bytes for entry in entries)
            value = {"folder": str(folder), "size_bytes": total, "max_bytes": limit, "caches": _to_json(entries)}
            head = f"{folder}: {format_bytes(total)} in {_count(entries)}, at most {format_bytes(limit)}"
            print_result(value, "\n".join([head, *map(_line, entries)]), as_json)
            return
        removed, kept = clear_caches(folder, older_than_days=older_than or 0.0)
    size = format_bytes(sum(entry.size_bytes for entry in removed))
    lines = [f"removed: {_count(removed)}, {size}", *(f"in use, stays: {entry.path}" for entry in kept)]
    print_result({"removed": _to_json(removed), "kept": _to_json(kept)}, "\n".join(lines), as_json)


def _warn(text: str) -> None:
    print_error(as_command_line(f"warning: {text}"))


def _to_json(entries: Sequence[CacheEntry]) -> list[dict[str, Any]]:
    return [
        {
            "path": str(entry.path),
            "data": entry.data,
            "pixels": entry.pixels,
            "size_bytes": entry.size_bytes,
            "last_used_s": round(entry.last_used, 3),
            "in_use": entry.in_use,
        }
        for entry in entries
    ]


def _line(entry: CacheEntry) -> str:
    from trainer.data import format_bytes

    state = "in use" if entry.in_use else _age(time.time() - entry.last_used)
    return f"  {format_bytes(entry.size_bytes):>8}  {state:>14}  {entry.pixels:<11} {entry.data}  ({entry.path.name})"


def _age(seconds: float) -> str:
    for length, name in _AGES:
        if seconds >= length:
            count = int(seconds / length)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def _count(entries: Sequence[CacheEntry]) -> str:
    return f"{len(entries)} cache{'' if len(entries) == 1 else 's'}"
