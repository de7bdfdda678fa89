"""The command `fieldguide`: the commands of both programs, in the order of the work."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import ClassVar, NoReturn

import click

from fieldguide.deployment.command import deploy
from service import __version__
from service.cli import cli as service_cli
from service.console import Program
from trainer.cli import main as trainer_cli
from trainer.cli.commands import require_one_process
from trainer.cli.exit import exiting_at_once

_TRAINER = (
    "sample",
    "search",
    "download",
    "check",
    "show",
    "lr-find",
    "fit",
    "resume",
    "evaluate",
    "compare",
    "report",
    "clean",
    "export",
    "calibrate",
    "import",
    "cache",
)
_SERVICE = ("serve", "predict", "verify", "sign", "sizing")


class _Fieldguide(Program):
    """The group; its synonyms are the words of other tools."""

    synonyms: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("train", "finetune", "fine-tune"), "fit"),
        **dict.fromkeys(("test", "validate", "eval"), "evaluate"),
        **dict.fromkeys(("classify", "infer"), "predict"),
        **dict.fromkeys(("run", "start"), "serve"),
        "demo": "sample",
        **dict.fromkeys(("fetch", "crawl", "get"), "download"),
        "find": "search",
        **dict.fromkeys(("diff", "versus"), "compare"),
        **dict.fromkeys(("lint", "inspect"), "check"),
        **dict.fromkeys(("label", "relabel", "review", "mend"), "clean"),
    }


@click.group(cls=_Fieldguide, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="fieldguide %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """From a folder of photos to a service that says what is in a photo."""
    require_one_process(context)


for _name in _TRAINER:
    cli.add_command(trainer_cli.commands[_name])
for _name in _SERVICE:
    cli.add_command(service_cli.commands[_name])
cli.add_command(deploy)


def main() -> NoReturn:
    """Run the command of this process's arguments, then exit."""
    with exiting_at_once():
        cli.main(prog_name="fieldguide")
    sys.exit(0)
