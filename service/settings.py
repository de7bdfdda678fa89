"""Every setting of the service, in one table: the fields of `Settings`.

A value comes from a command line flag (`--max-body-bytes`), else from the environment
(`FIELDGUIDE_MAX_BODY_BYTES`), else it is the default. An empty one counts as not given.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.text import stripped

# How many classes a prediction lists by default.
DEFAULT_TOP_K = 5
# An API key: printable ASCII without spaces and commas, long enough not to be guessed.
KEY_PATTERN = r"[!-+\--~]{16,}"
# What a header lists: so no character that has a meaning there.
_ORIGIN_OR_ANY = r"\*|[a-z][a-z0-9+.-]*://[^/\s,;'\"]+"
_VARIABLE_PREFIX = "FIELDGUIDE_"
# What Kubernetes and Docker set for a Service or link whose name is that of a setting: FIELDGUIDE_PORT=tcp://10.96.0.7:80
_LINKED_SUFFIX, _LINKED = "_PORT", re.compile(r"[a-z]+://.*")
_ON_OFF = ("on", "off")

_ADDRESS = "Address and threads"
_MODEL = "Model"
_LIMITS = "Limits on images and requests"
_CONNECTIONS = "Connections"
_ACCESS = "Access"
_PROTOCOLS = "Protocols"
_LIFE = "Start and stop"
_LOGS = "Logs"
# The order in which they are listed.
SETTING_GROUPS = (_ADDRESS, _MODEL, _LIMITS, _CONNECTIONS, _ACCESS, _PROTOCOLS, _LIFE, _LOGS)


class BadSetting(ValueError):
    """An invalid value of a setting. The message is one line that names the flag or the variable."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the table.

    Attributes:
        name: Name of the field.
        kind: int, float or str.
        default: Value if neither flag nor variable is given.
        help: One line.
        group: Heading under which it is listed.
        low: Smallest number allowed.
        high: Largest number allowed.
        choices: The only texts allowed, if not empty.
        item_pattern: Regular expression for every item of a comma-separated text.
        items: What the items are called in messages.
        secret: Whether the value is never shown and has no flag, since every user of a machine can read command lines.
    """

    name: str
    kind: type
    default: Any
    help: str
    group: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    item_pattern: str = ""
    items: str = ""
    secret: bool = False

    @property
    def is_list(self) -> bool:
        """Whether the value is a comma-separated text; its flag may be given several times."""
        return bool(self.item_pattern)

    @property
    def flag(self) -> str:
        """The command line flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return _VARIABLE_PREFIX + self.name.upper()

    def parse(self, text: str) -> Any:
        """Convert the text of a flag or variable to a value. White space around it, and around items, does not count.

        Raises:
            ValueError: The text is not valid. The message says what is.
        """
        text = stripped(text)
        if self.choices and text not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}")
        if self.kind is str:
            if not text:
                raise ValueError("must not be empty")
            if not self.item_pattern:
                return text
            items = [stripped(item) for item in text.split(",")]
            if not all(re.fullmatch(self.item_pattern, item) for item in items):
                raise ValueError(f"must be {self.items}, separated by commas")
            return ",".join(items)
        noun = "a whole number" if self.kind is int else "a number"
        expected = f"must be {noun}{self._range()}"
        try:
            value = self.kind(text)
        except ValueError as error:
            raise ValueError(expected) from error
        if not self.low <= value <= self.high or not math.isfinite(value):
            raise ValueError(expected)
        return value

    def _range(self) -> str:
        if self.high < math.inf:
            return f" from {self.low:g} to {self.high:g}"
        return f" of at least {self.low:g}" if self.low > -math.inf else ""


def _setting(default: Any, help_text: str, group: str, **row: Any) -> Any:
    """Make a field of `Settings`. `row` holds further attributes of its `Setting`."""
    metadata = {"help": help_text, "group": group, **row}
    return dataclasses.field(default=default, repr=not row.get("secret", False), metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The table: each field is a setting."""

    host: str = _setting(
        "127.0.0.1",
        "Addresses or host names to listen on; 0.0.0.0 for every IPv4 network of this machine, :: for IPv6 and IPv4.",
        _ADDRESS,
        item_pattern=r"[^\s,]+",
        items="addresses or host names",
    )
    port: int = _setting(8000, "Port to listen on; 0: any free port.", _ADDRESS, low=0, high=65535)
    threads: int = _setting(
        0, "Images that are processed in parallel (slots); 0: one per usable core.", _ADDRESS, low=0, high=1024
    )
    model: str = _setting(
        "auto",
        "Which model file runs; auto: the one in 8-bit integers if the bundle has it and it is faster here, else fp32.",
        _MODEL,
        choices=("auto", "fp32", "int8"),
    )
    abstain: str = _setting(
        "on",
        "Whether the model gives no label if it does not know: too strange an image, too uncertain a prediction.",
        _MODEL,
        choices=_ON_OFF,
    )
    max_body_bytes: int = _setting(20 * 1024 * 1024, "Longest request body (upload), bytes.", _LIMITS, low=1)
    max_pixels: int = _setting(0, "Most pixels of an image (width x height); 0: as in the bundle.", _LIMITS, low=0)
    max_side_ratio: int = _setting(
        0, "Largest long side / short side of an image; 0: as in the bundle.", _LIMITS, low=0
    )
    queue_per_slot: int = _setting(4, "Requests that may wait for each slot; more get 429.", _LIMITS, low=0, high=1024)
    deadline_s: float = _setting(
        10.0, "Time from the last byte of a request to its response, seconds; then 503.", _LIMITS, low=0.001
    )
    max_upload_memory: int = _setting(
        256 * 1024 * 1024,
        "Memory for request bodies that arrive, bytes; one may always arrive, more get 429.",
        _LIMITS,
        low=1,
    )
    body_timeout_s: float = _setting(
        10.0, "Time in which a request body must arrive, or else a part of it at the minimum rate.", _LIMITS, low=0.001
    )
    min_body_bytes_per_s: int = _setting(
        8192, "Slowest request body, bytes per second, over the time above; 0: any that goes on.", _LIMITS, low=0
    )
    max_connections: int = _setting(512, "Most open connections, besides those of health probes.", _CONNECTIONS, low=1)
    max_headers: int = _setting(100, "Most headers of a request.", _CONNECTIONS, low=1)
    max_header_bytes: int = _setting(65536, "Longest request line and headers, bytes.", _CONNECTIONS, low=256)
    header_timeout_s: float = _setting(
        10.0, "Time for the headers of a request to arrive, seconds.", _CONNECTIONS, low=0.001
    )
    keep_alive_s: int = _setting(
        75,
        "Time that a connection may be idle between requests, seconds; longer than the load balancer's.",
        _CONNECTIONS,
        low=1,
    )
    send_timeout_s: float = _setting(30.0, "Time for a client to receive a response, seconds.", _CONNECTIONS, low=0.001)
    api_keys: str = _setting(
        "",
        "API keys, separated by commas.",
        _ACCESS,
        item_pattern=KEY_PATTERN,
        items="keys of 16 or more printable ASCII characters",
        secret=True,
    )
    api_keys_file: str = _setting("", "File of API keys, one per line, besides those of FIELDGUIDE_API_KEYS.", _ACCESS)
    trusted_key: str = _setting(
        "", "File of public keys (Ed25519, PEM): only a bundle that is signed with one of them is served.", _ACCESS
    )
    trusted_hosts: str = _setting(
        "*",
        "Host names of this service, separated by commas; *.example.org: its subdomains; *: any.",
        _ACCESS,
        item_pattern=r"\*|(\*\.)?[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]",
        items="host names without a port",
    )
    cors_origins: str = _setting(
        "",
        "Origins whose pages may send requests from a browser, separated by commas; *: any.",
        _ACCESS,
        item_pattern=_ORIGIN_OR_ANY,
        items="origins such as https://example.org",
    )
    frame_ancestors: str = _setting(
        "",
        "Origins whose pages may show the page in a frame, separated by commas; *: any.",
        _ACCESS,
        item_pattern=_ORIGIN_OR_ANY,
        items="origins such as https://example.org",
    )
    camera: str = _setting(
        "off",
        "Whether the page offers the live camera; browsers ask the person first.",
        _ACCESS,
        choices=_ON_OFF,
    )
    open_inference: str = _setting(
        "on", "Whether the Open Inference Protocol is served under /v2.", _PROTOCOLS, choices=_ON_OFF
    )
    hugging_face: str = _setting(
        "on", "Whether the Hugging Face inference API is served under /models.", _PROTOCOLS, choices=_ON_OFF
    )
    stuck_s: float = _setting(
        30.0, "Time after which /livez becomes 503 if all slots are stuck, seconds.", _LIFE, low=0
    )
    grace_s: float = _setting(3.0, "Time after SIGTERM with requests accepted but /readyz 503, seconds.", _LIFE, low=0)
    drain_s: int = _setting(6, "Time after that for requests in progress to finish, seconds.", _LIFE, low=0)
    log_level: str = _setting(
        "info", "Lowest level of log entries.", _LOGS, choices=("debug", "info", "warning", "error")
    )
    log_format: str = _setting(
        "auto", "Format of log entries; auto: text on a terminal, else json.", _LOGS, choices=("auto", "json", "text")
    )

    @classmethod
    def resolve(cls, flags: Mapping[str, str | Sequence[str] | None], environ: Mapping[str, str]) -> Settings:
        """Read all settings.

        Args:
            flags: Name of the field -> text of its flag, for a list one text for each flag; None if it was not given.
            environ: Environment variables.

        Raises:
            BadSetting: A value is not valid.
        """
        values: dict[str, Any] = {}
        for setting in all_settings():
            text = _joined(flags.get(setting.name))
            source = setting.flag
            if not text:
                text = _from_environment(setting, environ)
                source = setting.variable
            if not text:
                continue
            try:
                values[setting.name] = setting.parse(text)
            except ValueError as error:
                raise BadSetting(f"{source} {error}, not {'this' if setting.secret else repr(text)}") from error
        return cls(**values)


def overlooked(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for every variable that was set, and does not count although its owner may think so."""
    for setting in all_settings():
        value = environ.get(setting.variable, "")
        if _is_link(setting.variable, value):
            yield (
                f"{setting.variable} is passed over: {value!r} is what Kubernetes and Docker set for a service of that "
                "name, not a setting"
            )
        elif setting.secret and setting.variable in environ and not stripped(value):
            yield f"{setting.variable} is empty, and counts as not set"


def _joined(texts: str | Sequence[str] | None) -> str:
    """Return what the flags of one setting say."""
    return stripped(texts) if isinstance(texts, str) else ",".join(filter(None, map(stripped, texts or ())))


def _from_environment(setting: Setting, environ: Mapping[str, str]) -> str:
    value = environ.get(setting.variable, "")
    return "" if _is_link(setting.variable, value) else stripped(value)


def _is_link(variable: str, value: str) -> bool:
    return variable.endswith(_LINKED_SUFFIX) and _LINKED.fullmatch(stripped(value)) is not None


def all_settings() -> tuple[Setting, ...]:
    """Return every row of the table, in order."""
    return tuple(
        Setting(name=field.name, kind=type(field.default), default=field.default, **field.metadata)
        for field in dataclasses.fields(Settings)
    )
