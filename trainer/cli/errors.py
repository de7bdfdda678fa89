"""Exit codes, and one line for whatever goes wrong."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

WORK_FAILED, WRONG_USE = 1, 2


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn what may go wrong into one line and an exit code; what is left is a fault of ours, with its traceback."""
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
    except (CatalogError, CacheError, FitError, ExportError, BundleRefused) as error:
        fail(str(error), WORK_FAILED)
    except ProcessLost as error:
        if not error.is_main:
            sys.exit(WORK_FAILED)
        fail(str(error), WORK_FAILED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        more = "; free space and go on with: python -m trainer resume RUN" if error.errno == errno.ENOSPC else ""
        fail(f"{where}{error.strerror or error}{more}", WORK_FAILED)
    except KeyboardInterrupt:
        fail("interrupted; a run that was begun goes on with: python -m trainer resume RUN", WORK_FAILED)


def fail(message: str, code: int) -> NoReturn:
    """Say it in one line on standard error, and end."""
    click.echo(f"error: {message}", err=True)
    sys.exit(code)
