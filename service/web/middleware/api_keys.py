"""API keys: every request needs one, except on public paths."""

from __future__ import annotations

import codecs
import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.problem import Problem
from service.settings import KEY_PATTERN, BadSetting, Settings
from service.text import stripped

_HEADER = "X-API-Key"
_BEARER = "bearer "
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # as PowerShell and Windows' editor write files


class APIKeys:
    """The valid keys, as hashes, so that all have the same length when they are compared."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._hashes = tuple(_hash(key) for key in keys)

    @classmethod
    def read(cls, settings: Settings) -> APIKeys:
        """Read the keys of both settings; raises BadSetting for a file that cannot be read or has no key."""
        given = settings.api_keys.split(",") if settings.api_keys else []
        return cls([*given, *_read_file(settings)])

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def is_valid(self, key: str) -> bool:
        """Return whether a key is one of them. Takes the same time for every key."""
        given, found = _hash(key), False
        for known in self._hashes:
            found |= hmac.compare_digest(known, given)
        return found


class APIKeyMiddleware:
    """ASGI middleware that requires an API key, as `Authorization: Bearer KEY` or `X-API-Key: KEY`."""

    def __init__(self, app: ASGIApp, *, keys: APIKeys, public: frozenset[str]) -> None:
        """Wrap an application.

        Args:
            app: The application.
            keys: The valid keys.
            public: Paths that need no key.
        """
        self._app = app
        self._keys = keys
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; raises Problem 401 without a valid key."""
        if scope["type"] == "http" and scope["path"] not in self._public:
            key = _key(Headers(scope=scope))
            if not self._keys.is_valid(key):
                detail = "This API key is not valid." if key else "This service needs an API key."
                raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
        await self._app(scope, receive, send)


def _key(headers: Headers) -> str:
    given = headers.get("authorization", "")
    if given[: len(_BEARER)].lower() == _BEARER:
        return given[len(_BEARER) :].strip()
    return headers.get(_HEADER, "")


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _read_file(settings: Settings) -> list[str]:
    path = settings.api_keys_file
    if not path:
        return []
    try:
        data = Path(path).read_bytes()
        encoding = "utf-16" if data.startswith(_UTF_16_MARKS) else "utf-8"
        lines = [stripped(line) for line in data.decode(encoding).splitlines()]
    except (OSError, ValueError) as error:
        raise BadSetting(f"the file of API keys {path!r} cannot be read: {error}") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    for number, key in enumerate(keys, start=1):
        if not re.fullmatch(KEY_PATTERN, key):
            raise BadSetting(f"key {number} in {path!r} is not 16 or more printable ASCII characters")
    if not keys:
        raise BadSetting(f"the file of API keys {path!r} has no key")
    return keys
