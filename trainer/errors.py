"""Every exception of the trainer.

TrainerError
├── MissingPackages   an installation that only serves, or only half of the packages
├── RecipeError       a setting that is wrong, or does not go with another one
├── DeviceError       a device that this machine does not have
├── BackboneError     a backbone that is unknown, or whose weights are missing
├── WeightsError      a file that does not hold the weights of a network
├── RunError          a run folder that is not what was expected
├── CatalogError      images or a table that cannot be used
│   └── BrokenImages  too many images cannot be decoded
├── CollectError      a list of URLs, a folder or an option that photos cannot be collected with
│   └── SearchError       a provider of photos that does not answer as it should
├── CheckError        a check of images that is asked for in a wrong way
│   └── QuarantineError   images that are not moved, or not moved back
├── CleanError        a cleaning of labels that is asked for in a wrong way
├── CacheError        the cache of decoded images cannot be written
├── FitError          training that failed
├── ProcessLost       another process of the same training ended too early
├── ImportModelError  a model of another program that cannot become a bundle
└── ExportError       no bundle was written
    └── ParityError   the exported model does not predict what the trained one predicts

A message is one line: what was wrong, where, and what to do. Names in backquotes are those of the Python API:
`valid_fraction` is a parameter, `precision='fp32'` a parameter with a value, `resume('RUN')` a call. The command line
shows the same as its own options and commands (see `trainer.cli.exit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class TrainerError(Exception):
    """Base class.

    Attributes:
        exit_code: Of a command that ends with this error: 1 the work failed, 2 wrong use.
        hint: What to do next, added to every message; empty if the message says it.
    """

    exit_code: ClassVar[int] = 1
    hint: str = ""

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}; {self.hint}" if self.hint else message


class MissingPackages(TrainerError, ImportError):
    """Packages that training needs are not installed. The message says which, and how to install them."""

    exit_code = 2


class RecipeError(TrainerError):
    """A setting that is wrong, or does not go with another one. The message names the key."""

    exit_code = 2


class DeviceError(TrainerError):
    """A device that this machine does not have."""

    exit_code = 2


class BackboneError(TrainerError):
    """A backbone that is unknown, or whose weights are missing or do not fit."""

    exit_code = 2


class WeightsError(TrainerError):
    """A file that does not hold the weights of a network. The message says what it holds instead."""

    exit_code = 2


class RunError(TrainerError):
    """A run folder that is not what was expected."""

    exit_code = 2


class CatalogError(TrainerError):
    """Images or a table that cannot be used."""


class BrokenImages(CatalogError):
    """Too many images cannot be decoded.

    Attributes:
        unreadable: Row of the catalog -> why its image cannot be decoded.
    """

    def __init__(self, message: str, unreadable: Mapping[Any, str]) -> None:
        super().__init__(message)
        self.unreadable = unreadable


class CollectError(TrainerError):
    """A list of URLs, a folder or an option that photos cannot be collected with."""

    exit_code = 2


class SearchError(CollectError):
    """A provider of photos that does not answer as it should. What came before is kept."""

    exit_code = 1


class CheckError(TrainerError):
    """A check of images that is asked for in a wrong way."""

    exit_code = 2


class QuarantineError(CheckError):
    """Images that are not moved into a quarantine, or not back. Each of them has its old name or its new one."""


class CleanError(TrainerError):
    """A cleaning of labels that is asked for in a wrong way."""

    exit_code = 2


class CacheError(TrainerError):
    """The cache of decoded images cannot be written."""


class FitError(TrainerError):
    """Training that failed."""


class ProcessLost(TrainerError):
    """Another process of the same training ended too early.

    Attributes:
        is_main: Whether this is the main process, which reports for all of them.
    """

    hint = "its own message or torchrun's says why; a run that was started continues with `resume('RUN')`"

    def __init__(self, *, is_main: bool, reason: str) -> None:
        super().__init__(f"another process of this training ended before its work was done ({reason})")
        self.is_main = is_main


class ImportModelError(TrainerError):
    """A model of another program that cannot become a bundle. The message says why, and what to give instead."""

    exit_code = 2


class ExportError(TrainerError):
    """No bundle was written. The message says why."""


class ParityError(ExportError):
    """The exported model does not predict what the trained one predicts."""
