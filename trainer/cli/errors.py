"""Exit codes, and one line for whatever goes wrong."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

WORK_FAILED, WRONG_USE, BUNDLE_REFUSED = 1, 2, 3
_RESUME = "python -m trainer resume RUN"


@contextmanager
def clear_errors(*, resumable: bool = False) -> Iterator[None]:
    """Turn what may go wrong into one line and an exit code; what is left is a fault of ours, with its traceback.

    resumable  whether it is a run that is being trained, which can be gone on with
    """
    from service.bundle import BundleRefused
    from trainer.catalog import CatalogError
    from trainer.export import ExportError
    from trainer.fitting import DeviceError, FitError, ProcessLost, RecipeError
    from trainer.model import BackboneError
    from trainer.pixels import CacheError
    from trainer.run.folder import RunError

    try:
        yield
    except (RecipeError, DeviceError, BackboneError, RunError, FileExistsError) as error:
        fail(str(error), WRONG_USE)
    except (CatalogError, CacheError, FitError, ExportError) as error:
        fail(str(error), WORK_FAILED)
    except BundleRefused as error:
        fail(str(error), BUNDLE_REFUSED)
    except ProcessLost as error:
        if not error.is_main:
            sys.exit(WORK_FAILED)
        fail(str(error), WORK_FAILED)
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
