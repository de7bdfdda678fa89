"""Every setting of the service, in one table: the fields of `Settings`.

A value comes from a command line flag (`--max-body-bytes`), else from the environment
(`FIELDGUIDE_MAX_BODY_BYTES`), else it is the default.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

# How many classes an answer lists where nobody says.
DEFAULT_TOP_K = 5
# An API key: printable ASCII without spaces and commas, long enough not to be guessed.
KEY_PATTERN = r"[!-+\--~]{16,}"
_PREFIX = "FIELDGUIDE_"
_SWITCH = ("on", "off")


class BadSetting(ValueError):
    """A value that a setting does not take. The message is one line that names the flag or variable."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """What the table says of a setting besides its name, type and default.

    help        one line
    low, high   range of a number, ends included
    choices     the only values of a text
    form        what every item of a comma-separated text matches, and its name
    secret      only from the environment, since command lines are open to every user of a machine; never shown
    """

    help: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    form: tuple[str, str] = ("", "")
    secret: bool = False

    def parse(self, text: str, kind: type) -> Any:
        """The value that `text` spells; raises ValueError that says what would be right."""
        if self.choices and text not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}")
        if kind is str:
            if not text:
                raise ValueError("must not be empty")
            pattern, name = self.form
            if pattern and not all(re.fullmatch(pattern, item) for item in text.split(",")):
                raise ValueError(f"must be {name}, separated by commas")
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
    row = Rule(help=text, **rule)
    return dataclasses.field(default=default, repr=not row.secret, metadata={"rule": row})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The table. Each field is a setting: its name, type, default and rule."""

    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8000, "port to listen on; 0 takes a free one", low=0, high=65535)
    threads: int = _setting(0, "images worked on side by side (slots); 0: one per usable core", low=0, high=1024)
    queue_per_slot: int = _setting(4, "requests that may wait for each slot; the surplus gets 429", low=0, high=1024)
    deadline_s: float = _setting(10.0, "time from a request's last byte to its answer, seconds; then 503", low=0.001)
    stuck_s: float = _setting(30.0, "time with every slot lost after which /livez says 503, seconds", low=0)
    max_body_bytes: int = _setting(20 * 1024 * 1024, "longest request body, bytes", low=1)
    body_timeout_s: float = _setting(10.0, "time in which a request body must arrive, seconds", low=0.001)
    min_body_bytes_per_s: int = _setting(4096, "least rate of a request body after its first 2 s; 0: any", low=0)
    max_pixels: int = _setting(0, "most pixels (width x height) of an image; 0: what the bundle says", low=0)
    max_side_ratio: int = _setting(0, "most that a side may be of the other; 0: what the bundle says", low=0)
    max_header_bytes: int = _setting(65536, "longest request line and headers, bytes", low=256)
    max_headers: int = _setting(100, "most headers of a request", low=1)
    header_timeout_s: float = _setting(10.0, "time in which a request's headers must arrive, seconds", low=0.001)
    max_connections: int = _setting(512, "most connections at the same time, besides those of health probes", low=1)
    keep_alive_s: int = _setting(
        75, "time that a connection may idle between requests, seconds; longer than a load balancer keeps it", low=1
    )
    send_timeout_s: float = _setting(30.0, "time in which a client must take what it is sent, seconds", low=0.001)
    grace_s: float = _setting(3.0, "time after SIGTERM in which requests are taken, though /readyz is 503", low=0)
    drain_s: int = _setting(6, "time that requests in progress get after that, seconds", low=0)
    api_keys: str = _setting(
        "",
        "the keys themselves, separated by commas",
        form=(KEY_PATTERN, "keys of 16 or more printable ASCII characters"),
        secret=True,
    )
    api_keys_file: str = _setting("", "file of the keys that clients may send, one a line; FIELDGUIDE_API_KEYS too")
    trusted_hosts: str = _setting(
        "*",
        "host names to answer to, separated by commas; *.example.org: its subdomains; *: any",
        form=(r"\*|(\*\.)?[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", "host names without a port"),
    )
    cors_origins: str = _setting(
        "",
        "origins whose pages may call from a browser, separated by commas; *: any",
        form=(r"\*|[a-z][a-z0-9+.-]*://[^/\s,]+", "origins such as https://example.org"),
    )
    open_inference: str = _setting("on", "answer the Open Inference Protocol under /v2", choices=_SWITCH)
    hugging_face: str = _setting("on", "answer as Hugging Face does under /models", choices=_SWITCH)
    log_level: str = _setting(
        "info", "least severe log entries to write", choices=("debug", "info", "warning", "error")
    )
    log_format: str = _setting("auto", "how; auto: text on a terminal, else json", choices=("auto", "json", "text"))

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
                raise BadSetting(f"{source} {error}, not {'this' if item.rule.secret else repr(text)}") from error
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
