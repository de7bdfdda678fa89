"""When and by what a bundle is made, for its manifest."""

from __future__ import annotations

import datetime
import os
import platform

import onnxruntime
import torch

import service
from trainer.errors import ExportError

_VARIABLE = "SOURCE_DATE_EPOCH"  # reproducible-builds.org/specs/source-date-epoch


def created_now() -> str:
    """The time now, or that of SOURCE_DATE_EPOCH, so that the same export gives the same bytes: ISO 8601, in UTC.

    Raises:
        ExportError: SOURCE_DATE_EPOCH is not a number of seconds.
    """
    text = os.environ.get(_VARIABLE, "")
    if not text:
        return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        return datetime.datetime.fromtimestamp(int(text), datetime.UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError) as error:
        raise ExportError(
            f"{_VARIABLE} is {text!r:.40}, not a number of seconds since 1970; unset it, or set it to such a number"
        ) from error


def producer() -> dict[str, str]:
    """Name -> version of the programs that write a bundle."""
    return {
        "fieldguide": service.__version__,
        "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
