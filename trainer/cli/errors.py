"""Exit codes, and one line for every error."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from trainer.errors import ProcessLost, TrainerError

WORK_FAILED, WRONG_USE, BUNDLE_REFUSED = 1, 2, 3
_RESUME = "python -m trainer resume RUN"


@contextmanager
def clear_errors(*, resumable: bool = False) -> Iterator[None]:
    """Turn what may go wrong into one line and an exit code; what is left is a fault of ours, with its traceback.

    resumable  whether it is a run that is being trained, which can be gone on with
    """
    from service.bundle import BundleRefused

    try:
        yield
    except ProcessLost as error:
        if not error.is_main:
            sys.exit(error.exit_code)
        fail(str(error), error.exit_code)
    except TrainerError as error:
        fail(str(error), error.exit_code)
    except FileExistsError as error:
        fail(str(error), WRONG_USE)
    except BundleRefused as error:
        fail(str(error), BUNDLE_REFUSED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        more = f"; free space and go on with: {_RESUME}" if resumable and error.errno == errno.ENOSPC else ""
        fail(f"{where}{error.strerror or error}{more}", WORK_FAILED)
    except KeyboardInterrupt:
        more = f"; a run that was begun goes on with: {_RESUME}" if resumable else ""
        fail(f"interrupted{more}", WORK_FAILED)


def fail(message: str, code: int) -> NoReturn:
    """Say it in one line on standard error, and end."""
    click.echo(f"error: {message}", err=True)
    sys.exit(code)
