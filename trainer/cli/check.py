"""The command `check`: what is wrong with the images."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.console import EXIT_FAILED, SectionedCommand, option, print_error
from service.cores import usable_cores
from trainer.checking.kinds import KINDS
from trainer.cli.exit import as_command_line, clear_errors
from trainer.cli.options import AS_JSON, DATA, THREADS, data_options
from trainer.command_line import command_line

if TYPE_CHECKING:  # NumPy takes a while to import; --help and a wrong option do not need it
    from trainer.checking.findings import CheckResult
    from trainer.checking.quarantine import Moved

_QUARANTINE = "Quarantine"
_ANY = "any"
_EXAMPLES = """\b
Examples:
  fieldguide check photos
  fieldguide check photos --out check.html --out check.csv
  fieldguide check photos --fail-on undecodable,conflicting-labels      exit code 1 if any is found
  fieldguide check photos --kinds exact-duplicates --quarantine moved   moves the copies to moved/
  fieldguide check photos --quarantine moved --undo                     and back
\b
Kinds: {kinds}
"""


class _Kinds(click.ParamType[tuple[str, ...]]):
    """Names of kinds with commas between; `any` stands for all of them, if that is allowed."""

    name = "KINDS"

    def __init__(self, *, any_allowed: bool = False) -> None:
        self._any_allowed = any_allowed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split and check the names."""
        names = tuple(dict.fromkeys(name.strip() for name in value.split(","))) if isinstance(value, str) else value
        if self._any_allowed and names == (_ANY,):
            return tuple(KINDS)
        for name in names:
            if name not in KINDS:
                self.fail(f"{name!r} is none of {', '.join(KINDS)}", param, ctx)
        return tuple(names)


def _list_of_kinds() -> str:
    lines, line = list[str](), "Kinds:"
    for name in KINDS:
        if len(line) + len(name) > 90:
            lines.append(line)
            line = "  "
        line += f" {name},"
    return "\n".join([*lines, line.removesuffix(",")])


@click.command(
    short_help="Find what is wrong with the images, before training.",
    cls=SectionedCommand,
    sections=("Data", _QUARANTINE),
    most_used=("outputs", "kinds", "fail_on", "thorough"),
    epilog=_EXAMPLES.replace("Kinds: {kinds}", _list_of_kinds()),
)
@DATA
@option(
    "--out",
    "outputs",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="New file for what was found: a page (.html), everything (.json) or a table (.csv); may be given several "
    "times.  [default: none is written]",
)
@option("--kinds", type=_Kinds(), help="Report and move only these kinds, with commas between.  [default: all]")
@option(
    "--fail-on",
    type=_Kinds(any_allowed=True),
    default=(),
    help="End with exit code 1 if one of these kinds is found; any stands for all.  [default: none]",
)
@option(
    "--thorough",
    is_flag=True,
    help="Also find near duplicates by the features of a network. Takes several times as long.  [default: off]",
)
@data_options
@option(
    "--quarantine",
    section=_QUARANTINE,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Move the images of --kinds to DIR, which must be on the same file system and outside of DATA. One of each "
    "group of duplicates stays.  [default: nothing is moved]",
)
@option(
    "--max-fraction",
    section=_QUARANTINE,
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Move nothing if it would be more than this fraction of the images.",
)
@option("--undo", section=_QUARANTINE, is_flag=True, help="Move everything in --quarantine back.  [default: off]")
@option(
    "--device",
    default="auto",
    show_default=True,
    help="Device of the network of --thorough: auto, cpu, cuda, cuda:1 or mps.",
)
@THREADS
@AS_JSON
def check(
    data: Path,
    outputs: Sequence[Path],
    kinds: tuple[str, ...] | None,
    fail_on: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Decode every image of DATA, and report what is wrong with them: images that cannot be decoded, duplicates, one
    content under two labels, images that stand out, and what may mislead a network. Nothing is changed without
    --quarantine.
    """
    if options["undo"] and options["quarantine"] is None:
        raise click.UsageError("--undo needs --quarantine DIR")
    if options["quarantine"] is not None and not options["undo"] and kinds is None:
        raise click.UsageError("--quarantine needs --kinds: name the kinds whose images are to be moved")
    quarantine, names = options.pop("quarantine"), ("max_fraction", "undo", "thorough", "device", "threads")
    own = {name: options.pop(name) for name in names}
    with clear_errors():
        from trainer.checking.output import require_new_file, write_result
        from trainer.recipe import apply_options
        from trainer.run.check import CheckOptions, quarantine_found, run_check, undo_quarantine
        from trainer.terminal import Terminal

        for output in outputs:
            require_new_file(output)
        moved: Moved | None = None
        with Terminal(phrase=as_command_line) as progress:
            recipe = apply_options(None, data, options, warn=progress.warn)
            if own["undo"]:
                _print_moved(undo_quarantine(recipe, quarantine), as_json, verb="moved back")
                return
            how = CheckOptions(
                kinds=kinds, thorough=own["thorough"], device=own["device"], threads=own["threads"] or usable_cores()
            )

            def report(result: CheckResult) -> None:
                for output in outputs:
                    write_result(_with_options(result), output)

            if quarantine is None:
                result = run_check(recipe, how, progress)
                report(result)
            else:
                result, moved = quarantine_found(
                    recipe, how, progress, folder=quarantine, max_fraction=own["max_fraction"], report=report
                )
    result = _with_options(result)
    _print(result, moved, undo=command_line("check", data, "--quarantine", quarantine or "", "--undo"), as_json=as_json)
    failed = [finding.kind for finding in result.findings if finding.kind in fail_on]
    if failed:
        print_error(f"found: {', '.join(failed)}")
        sys.exit(EXIT_FAILED)


def _with_options(result: CheckResult) -> CheckResult:
    """The result, with options in place of the names of the Python API in its remarks."""
    return replace(result, remarks=tuple(map(as_command_line, result.remarks)))


def _print(result: CheckResult, moved: Moved | None, *, undo: str, as_json: bool) -> None:
    from trainer.checking.output import result_text

    if as_json:
        value = result.to_dict() | ({} if moved is None else {"moved": _moved_json(moved)})
        click.echo(json.dumps(value, indent=1, ensure_ascii=False))
        return
    click.echo(result_text(result))
    if moved is not None:
        click.echo("")
        _print_moved(moved, as_json, verb="moved")
        click.echo(f"undo: {undo}")


def _print_moved(moved: Moved, as_json: bool, *, verb: str) -> None:
    if as_json:
        click.echo(json.dumps(_moved_json(moved), indent=1, ensure_ascii=False))
        return
    click.echo(f"{verb}: {len(moved.paths):,} images")
    for path, reason in moved.left.items():
        click.echo(f"left where it is: {path}: {reason}")


def _moved_json(moved: Moved) -> dict[str, Any]:
    return {"paths": moved.paths, "left": moved.left}
