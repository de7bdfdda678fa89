"""How a command ends: exit codes, one line for every error, and a process of several that must not linger."""

from __future__ import annotations

import ast
import errno
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from service import console
from service.console import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_NOT_STARTED, EXIT_USAGE
from trainer.command_line import command_line
from trainer.errors import ProcessLost, TrainerError
from trainer.installation import require_packages
from trainer.recipe import option_keys

_STRING = r"""'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*\""""
_PYTHON_CODE = re.compile(rf"""`(\w+\((?:{_STRING}|[^`'"\n])*\)|[^`\n]+)`""")  # a path in a call may have backquotes
# Names of the Python API that messages use. Other text in backquotes, such as the name of a file, stays as it is.
_COMMANDS = frozenset(
    {
        *("calibrate", "check", "clean", "compare", "download", "evaluate", "export", "fit", "lr_find", "report"),
        *("resume", "sample", "search"),
    }
)
_PARAMETERS = frozenset({"cache", "cache_max", "device", "lr", "oci", "out", "recipe", "root", "threads"}) | {
    *option_keys()
}
_PARAMETERS |= {"kinds", "max_fraction", "quarantine", "undo"}  # of `check`
_PARAMETERS |= {"data_root"}  # of `calibrate`
_PARAMETERS |= {"allow_remote", "host", "port", "tls_cert", "tls_key"}  # of `clean`
_PARAMETERS |= {"classes", "layout", "mean", "outputs", "resize", "resize_short", "std", "task"}  # of `import`
_PARAMETERS |= {  # of `download` and `search`
    *("allow_private", "api", "contact", "count", "credentials", "ignore_robots_txt", "ignore_x_robots_tag", "label"),
    *("label_column", "license", "max_bytes", "max_wait", "provider", "proxy", "retry_failed", "size", "source"),
    "url_column",
}


@dataclass
class RunningCommand:
    """A command that runs.

    Attributes:
        run: The run that it trains, once that is known: it can be continued if the command is stopped.
        again: The command line that goes on if this one is stopped; empty if there is none.
    """

    run: Path | None = None
    again: str = ""

    @property
    def resume(self) -> str:
        """The command line that continues; empty if there is none yet."""
        return command_line("resume", self.run) if self.run is not None and self.run.exists() else self.again


@contextmanager
def clear_errors() -> Iterator[RunningCommand]:
    """Turn what may go wrong into one line and an exit code. Anything else is a bug of ours, and keeps its traceback.

    Packages that are missing are reported before the block starts. The block gets the command, to name its run.
    """
    from service.bundle import BundleRefused

    running = RunningCommand()
    try:
        require_packages()
        yield running
    except ProcessLost as error:
        if not error.is_main:
            sys.exit(error.exit_code)
        fail(str(error), error.exit_code)
    except TrainerError as error:
        fail(str(error), error.exit_code)
    except FileExistsError as error:
        fail(str(error), EXIT_USAGE)
    except BundleRefused as error:
        fail(str(error), EXIT_NOT_STARTED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        full = error.errno == errno.ENOSPC and running.resume
        more = f"; free space and continue with: {running.resume}" if full else ""
        fail(f"{where}{error.strerror or error}{more}", EXIT_FAILED)
    except KeyboardInterrupt:
        more = f"; continue with: {running.resume}" if running.resume else ""
        fail(f"interrupted{more}", EXIT_INTERRUPTED)


def fail(message: str, code: int) -> NoReturn:
    """Print the message in one line on standard error, with options for the names of the Python API, and exit."""
    console.fail(as_command_line(message), code=code)


def as_command_line(message: str) -> str:
    """Replace the names of the Python API in a message, which are in backquotes, by options and commands.

    `valid_fraction` becomes --valid-fraction, `precision='fp32'` becomes --precision fp32, and
    `export('run', out='BUNDLE')` becomes fieldguide export run --out BUNDLE.
    """
    return _PYTHON_CODE.sub(_as_shell, message)


def _as_shell(match: re.Match[str]) -> str:
    code = match[1]
    try:
        return _shell_words(ast.parse(code if code.endswith(")") else f"options({code})", mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return match[0]


def _shell_words(call: ast.expr) -> str:
    """The words for a call; raises ValueError if it is not one of the Python API, with constants."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError("not a call")
    options = [word for keyword in call.keywords for word in (_option(keyword.arg), *_values(keyword.value))]
    if call.func.id == "options":
        return shlex.join([*(_option(getattr(argument, "id", None)) for argument in call.args), *options])
    if call.func.id not in _COMMANDS:
        raise ValueError("not a command")
    return command_line(call.func.id.replace("_", "-"), *map(_constant, call.args), *options)


def _constant(node: ast.expr) -> str:
    return str(ast.literal_eval(node))


def _values(node: ast.expr) -> list[str]:
    """The words after an option; none if it is a flag that is set."""
    return [] if isinstance(node, ast.Constant) and node.value is True else [_constant(node)]


def _option(name: str | None) -> str:
    if name is None or name not in _PARAMETERS:
        raise ValueError("not a parameter")
    return "--" + name.replace("_", "-")


@contextmanager
def exiting_at_once() -> Iterator[None]:
    """If torchrun started several processes, end this one at the end of the block, without interpreter shutdown.

    A thread of gloo may still hold a tensor that was sent last. If it frees that during interpreter shutdown, the
    process aborts (github.com/pytorch/pytorch/pull/179291), and torchrun reports a finished training as failed. What
    was printed is flushed; the exit code is that of the block.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    code = 0
    try:
        yield
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001  (printed as the interpreter would, which ends here)
        sys.excepthook(*sys.exc_info())
        code = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads it any more, or the disk is full
        code = code or 1
    finally:
        os._exit(code)
