"""API keys: every request needs one, but for paths that are public."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.settings import KEY_PATTERN, BadSetting, Settings
from service.web.problem import Problem

_HEADER = "X-API-Key"
_BEARER = "bearer "


class Keys:
    """The keys that are taken, as hashes: what is compared is then of one length."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._hashes = tuple(_hash(key) for key in keys)

    @classmethod
    def read(cls, settings: Settings) -> Keys:
        """The keys of both settings together; raises BadSetting for a file that cannot be read or holds none."""
        given = settings.api_keys.split(",") if settings.api_keys else []
        return cls([*given, *_read_file(settings)])

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def take(self, key: str) -> bool:
        """Whether it is one of them. Takes the same time for every key."""
        given, found = _hash(key), False
        for known in self._hashes:
            found |= hmac.compare_digest(known, given)
        return found


class Access:
    """ASGI layer; raises Problem 401. A key comes as `Authorization: Bearer KEY` or as `X-API-Key: KEY`."""

    def __init__(self, app: ASGIApp, *, keys: Keys, public: frozenset[str]) -> None:
        self._app = app
        self._keys = keys
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the layers within, where the request may."""
        if scope["type"] == "http" and scope["path"] not in self._public:
            key = _key(Headers(scope=scope))
            if not self._keys.take(key):
                detail = "This key is not taken here." if key else "This service needs an API key."
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
        lines = [line.strip() for line in Path(path).read_text("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise BadSetting(f"the file of API keys {path!r} cannot be read: {error}") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    for number, key in enumerate(keys, start=1):
        if not re.fullmatch(KEY_PATTERN, key):
            raise BadSetting(f"key {number} in {path!r} is not 16 or more printable ASCII characters")
    if not keys:
        raise BadSetting(f"the file of API keys {path!r} holds no key")
    return keys
