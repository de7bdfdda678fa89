"""Where a command computes, decodes and shows its progress."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from service.console import print_error
from trainer.cli.exit import as_command_line

if TYPE_CHECKING:  # torch takes seconds to import; --help and a wrong option do not need it
    from trainer.progress import Progress
    from trainer.run import Environment


def command_environment(
    *, device: str = "cpu", threads: int | None, cache: Path | None, cache_max: str | None
) -> AbstractContextManager[Environment]:
    """Open the environment of a command; only its main process shows progress."""
    from trainer.run import open_environment

    return open_environment(device=device, threads=threads, cache=cache, cache_max=cache_max, show=_show)


def _show(is_main: bool) -> AbstractContextManager[Progress]:
    from trainer.progress import WarningsOnly
    from trainer.terminal import Terminal

    return Terminal(phrase=as_command_line) if is_main else nullcontext(WarningsOnly(_print_warning))


def _print_warning(line: str) -> None:
    print_error(as_command_line(line))
