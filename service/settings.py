"""Every setting of the service, in one table: the fields of `Settings`.

A value comes from a command line flag (`--max-body-bytes`), else from the environment
(`FIELDGUIDE_MAX_BODY_BYTES`), else it is the default.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

# How many classes an answer lists where nobody says.
DEFAULT_TOP_K = 5
_PREFIX = "FIELDGUIDE_"


class BadSetting(ValueError):
    """A value that a setting does not take. The message is one line that names the flag or variable."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """What the table says of a setting besides its name, type and default.

    help        one line
    low, high   range of a number, ends included
    choices     the only values of a text
    """

    help: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()

    def parse(self, text: str, kind: type) -> Any:
        """The value that `text` spells; raises ValueError that says what would be right."""
        if self.choices and text not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}")
        if kind is str:
            if not text:
                raise ValueError("must not be empty")
            return text
        noun = "a whole number" if kind is int else "a number"
        expected = f"must be {noun}{self._range()}"
        try:
            value = kind(text)
        except ValueError as error:
            raise ValueError(expected) from error
        if not self.low <= value <= self.high or not math.isfinite(value):
            raise ValueError(expected)
        return value

    def _range(self) -> str:
        if self.high < math.inf:
            return f" from {self.low:g} to {self.high:g}"
        return f" of at least {self.low:g}" if self.low > -math.inf else ""


def _setting(default: Any, text: str, **rule: Any) -> Any:
    return dataclasses.field(default=default, metadata={"rule": Rule(help=text, **rule)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The table. Each field is a setting: its name, type, default and rule."""

    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8000, "port to listen on; 0 takes a free one", low=0, high=65535)
    threads: int = _setting(0, "images worked on side by side; 0: one per usable core", low=0, high=1024)
    max_body_bytes: int = _setting(20 * 1024 * 1024, "longest request body, bytes", low=1)
    body_timeout_s: float = _setting(10.0, "time in which a request body must arrive, seconds", low=0.001)
    max_pixels: int = _setting(0, "most pixels (width x height) of an image; 0: what the bundle says", low=0)
    shutdown_timeout_s: int = _setting(8, "time that requests in progress get after SIGTERM, seconds", low=0)
    log_level: str = _setting(
        "info", "least severe log entries to write", choices=("debug", "info", "warning", "error")
    )

    @classmethod
    def resolve(cls, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Settings:
        """Settings from the text of flags (by field name; None: not given) and of the environment.

        Raises BadSetting for the first value that does not fit, and for a flag that is no setting.
        """
        values: dict[str, Any] = {}
        for item in table():
            flag = flags.get(item.name)
            source, text = (item.flag, flag) if flag is not None else (item.variable, environ.get(item.variable))
            if text is None:
                continue
            try:
                values[item.name] = item.rule.parse(text, item.kind)
            except ValueError as error:
                raise BadSetting(f"{source} {error}, not {text!r}") from error
        return cls(**values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """One row of the table."""

    name: str
    kind: type
    default: Any
    rule: Rule

    @property
    def flag(self) -> str:
        """Its command line flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return _PREFIX + self.name.upper()


def table() -> tuple[Item, ...]:
    """Every setting, in order."""
    return tuple(
        Item(name=field.name, kind=type(field.default), default=field.default, rule=field.metadata["rule"])
        for field in dataclasses.fields(Settings)
    )
