"""`clean`: the page on which a person looks at the images that are probably wrong, and mends them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.console import SectionedCommand, option
from trainer.cli.exit import as_command_line, clear_errors
from trainer.cli.options import AS_JSON, CACHE, CACHE_MAX, DEVICE, THREADS, data_options
from trainer.cli.output import print_result
from trainer.command_line import command_line
from trainer.wording import counted

if TYPE_CHECKING:  # torch takes seconds to import; --help and a wrong option do not need it
    from trainer.cleaning.replay import Replayed
    from trainer.cleaning.session import Session
    from trainer.run import Environment

_PAGE = "Page"
_UNTIL = "Ctrl-C ends it; every decision is saved at once"
_ADDRESS = ("host", "port", "allow_remote", "certificate", "key")
_ENVIRONMENT = ("device", "threads", "cache", "cache_max")
_EXAMPLES = """\b
Examples:
  fieldguide clean run                                      opens the page in the browser
  fieldguide clean photos --out photos-clean                before any training
  fieldguide clean run --no-browser --port 8765             for an SSH tunnel
  fieldguide clean run --write                              no page: writes cleaned.csv from edits.jsonl
"""


@click.command(
    short_help="Look at what is probably wrong, and mend it, on a page.",
    cls=SectionedCommand,
    sections=(_PAGE, "Data"),
    most_used=("out", "write", "browser", "port", "root"),
    epilog=_EXAMPLES,
)
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
@option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="With DATA: folder for its features and for what you decide; the same command goes on with it later.  "
    "[default: none]",
)
@option("--write", is_flag=True, help="Show no page: write RUN/cleaned.csv from RUN/edits.jsonl.  [default: off]")
@option(
    "--no-browser",
    "browser",
    section=_PAGE,
    is_flag=True,
    flag_value=False,
    default=True,
    help="Do not open the browser: open the address that is printed yourself.  [default: off]",
)
@option(
    "--port",
    section=_PAGE,
    type=click.IntRange(0, 65535),
    default=0,
    show_default="any free one",
    help="Port of the page on this machine.",
)
@option(
    "--host",
    section=_PAGE,
    default="127.0.0.1",
    show_default=True,
    help="Address of the page. One that other machines reach needs --allow-remote and TLS files.",
)
@option(
    "--allow-remote",
    section=_PAGE,
    is_flag=True,
    help="Let other machines reach the page: whoever has its address sees your images.  [default: off]",
)
@option(
    "--tls-cert",
    "certificate",
    section=_PAGE,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Certificate of the page, PEM.  [default: none]",
)
@option(
    "--tls-key",
    "key",
    section=_PAGE,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Key of the certificate, PEM.  [default: none]",
)
@data_options
@DEVICE
@THREADS
@CACHE
@CACHE_MAX
@AS_JSON
def clean(
    path: Path,
    out: Path | None,
    write: bool,
    browser: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Open a page with the images of RUN that are probably wrong, the most suspect first: relabel them, remove them, or
    say that they are right. RUN/cleaned.csv is what comes out; the images are never changed. With DATA (as for fit) and
    --out, nothing has to be trained before.
    """
    with clear_errors() as command:
        from trainer.cleaning.web.server import Address
        from trainer.cleaning.web.serving import serve_page
        from trainer.run.clean import can_add_features, is_run, open_cleaning

        command.again = command_line("clean", path, *(["--out", str(out)] if out else []))
        address = Address(**{name: options.pop(name) for name in _ADDRESS})
        address.check()
        where = {name: options.pop(name) for name in _ENVIRONMENT}
        root = options["root"]
        if not is_run(path):
            path, root = _prepare(path, out, where, options), None
        else:
            _refuse_options(out, options)
            if can_add_features(path):
                _add_features(path, where, root)
        cleaning = open_cleaning(path, root=root)
        if not write:
            for note in cleaning.views.notes:
                click.echo(as_command_line(note), err=as_json)
            serve_page(
                cleaning.views,
                cleaning.tools,
                cleaning.background,
                address,
                browser=browser,
                on_url=lambda url: click.echo(
                    f"open {url}\nCtrl-C ends it; every decision is saved at once", err=as_json
                ),
            )
            if not any(cleaning.session.counts.values()):
                print_result({"cleaned": None}, "nothing was decided", as_json)
                return
        replayed = cleaning.session.write_cleaned()
    print_result(_result_json(cleaning.session, replayed), _result_text(cleaning.session, replayed), as_json)


def _prepare(data: Path, out: Path | None, where: dict[str, Any], options: dict[str, Any]) -> Path:
    """Read images that nothing was trained on; returns the folder with their features."""
    from trainer.recipe import apply_options, naming_options
    from trainer.run.clean_features import prepare_cleaning

    if out is None:
        raise click.UsageError(
            f"{str(data)!r} is not a run, which has a recipe.toml. To clean images that nothing was trained on, add "
            "--out DIR, a new folder"
        )
    with naming_options(options), _environment(where) as environment:
        recipe = apply_options(None, data, options, warn=environment.progress.warn)
        return prepare_cleaning(recipe, out, environment).path


def _add_features(run: Path, where: dict[str, Any], root: Path | None) -> None:
    from trainer.run.clean_features import add_features

    with _environment(where) as environment:
        add_features(run, environment, root=root)


def _environment(where: dict[str, Any]) -> AbstractContextManager[Environment]:
    from trainer.run import open_environment
    from trainer.terminal import Terminal

    return open_environment(**where, show=lambda _: Terminal(phrase=as_command_line))


def _refuse_options(out: Path | None, options: dict[str, Any]) -> None:
    given = [name for name, value in options.items() if value is not None and name != "root"]
    if out is not None or given:
        name = "out" if out is not None else given[0]
        raise click.UsageError(f"--{name.replace('_', '-')} is for images that nothing was trained on; leave it out")


def _result_json(session: Session, replayed: Replayed) -> dict[str, Any]:
    return {
        "cleaned": str(session.subject.cleaned),
        "images": len(replayed.rows),
        "relabelled": {path: sorted(labels) for path, labels in replayed.relabelled.items()},
        "removed": [row.path for row in replayed.removed],
        "unapplied": [{"id": edit.id, "path": edit.path, "reason": reason} for edit, reason in replayed.unapplied],
        "labels_without_training": list(replayed.labels_without_training),
        "next": session.subject.next_command(),
    }


def _result_text(session: Session, replayed: Replayed) -> str:
    lines = [f"does not apply: {edit.path or edit.id}: {reason}" for edit, reason in replayed.unapplied]
    lines += [
        f"warning: no training image has the label {label!r} any more, although others do; relabel or remove these"
        for label in replayed.labels_without_training
    ]
    lines += [
        f"{counted(len(replayed.relabelled), 'image')} relabelled, {len(replayed.removed):,} removed, "
        f"{len(replayed.rows):,} left: {session.subject.cleaned}",
        f"next: {session.subject.next_command()}",
    ]
    return "\n".join(lines)
