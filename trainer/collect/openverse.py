"""Openverse: openly licensed photos of many sources (https://api.openverse.org/v1/)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from trainer.collect.api import Allowance, Api, error_text
from trainer.collect.photos import ANY, COMMERCIAL, MODIFICATION, Page, Photo, PhotoFilter, attribution_of
from trainer.errors import CollectError, SearchError

API = "https://api.openverse.org"
_ANONYMOUS = Allowance(per_minute=20, per_day=200)
_WITH_KEY = Allowance(per_minute=100, per_day=10_000)
_DEPTH = 240
_PAGE_SIZE, _PAGE_SIZE_WITH_KEY = 20, 80
_VARIABLES = ("FIELDGUIDE_OPENVERSE_CLIENT_ID", "FIELDGUIDE_OPENVERSE_CLIENT_SECRET")
_EARLIER_S = 60.0  # a token is renewed so long before its end
_PUBLIC_DOMAIN = {"cc0": "CC0", "pdm": "Public Domain Mark"}


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A key of Openverse. It is in no message and no file that is written."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)


def read_credentials(file: Path | None, environ: Mapping[str, str] = os.environ) -> Credentials | None:
    """Read a key from a file, or from the environment.

    Args:
        file: JSON with client_id and client_secret, as Openverse answers a registration; None: the environment.
        environ: Where FIELDGUIDE_OPENVERSE_CLIENT_ID and FIELDGUIDE_OPENVERSE_CLIENT_SECRET may be.

    Returns:
        The key; None if there is none.

    Raises:
        CollectError: The file cannot be read or has no key in it, or one variable is set without the other.
    """
    if file is None:
        client_id, client_secret = (environ.get(name, "").strip() for name in _VARIABLES)
        if bool(client_id) != bool(client_secret):
            raise CollectError(f"of {' and '.join(_VARIABLES)} only one is set; set both, or none")
        return Credentials(client_id=client_id, client_secret=client_secret) if client_id else None
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        found = Credentials(client_id=value["client_id"], client_secret=value["client_secret"])
    except OSError as error:
        raise CollectError(f"{file}: the credentials cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError):
        raise CollectError(f"{file}: it must be JSON with client_id and client_secret") from None
    if not all(isinstance(part, str) and part.isascii() and part.strip() for part in vars(found).values()):
        raise CollectError(f"{file}: client_id and client_secret must be text")
    return found


def allowance(credentials: Credentials | None) -> Allowance:
    """How many requests Openverse allows."""
    return _ANONYMOUS if credentials is None else _WITH_KEY


class Openverse:
    """The provider. See `trainer.collect.photos.Provider`."""

    name = "Openverse"
    depth = _DEPTH

    def __init__(self, api: Api, credentials: Credentials | None, address: str = "") -> None:
        """Take the API, a key, and the address of the API if it is another one."""
        self._api, self._credentials = api, credentials
        self._address = (address or API).rstrip("/")
        self._token = ""
        self._token_ends = 0.0

    async def page(self, query: str, wanted: PhotoFilter, cursor: str) -> Page:
        """See `Provider.page`."""
        size, number = self._part(cursor)
        parameters = {"q": query, "page": str(number), "page_size": str(size), **_parameters(wanted)}
        url = f"{self._address}/v1/images/"
        status, value = await self._api.request("GET", url, params=parameters, headers=await self._headers())
        if status == httpx.codes.UNAUTHORIZED and self._credentials is not None and "depth" not in str(value):
            self._token = ""  # it was revoked, or ended early
            status, value = await self._api.request("GET", url, params=parameters, headers=await self._headers())
        if status == httpx.codes.NOT_FOUND or (status == httpx.codes.UNAUTHORIZED and "depth" in str(value)):
            return Page(photos=())
        if status != httpx.codes.OK:
            raise SearchError(f"{self.name} does not take this search: {error_text(status, value)}")
        try:
            photos = tuple(photo for result in value["results"] if (photo := _photo(result)) is not None)
            pages, total = int(value["page_count"]), int(value["result_count"])
        except (KeyError, TypeError, ValueError) as error:
            raise SearchError(f"{self.name} answers in a way that this version does not understand") from error
        is_last = number >= pages or number * size >= _DEPTH or not value["results"]
        return Page(photos=photos, next="" if is_last else f"{size}:{number + 1}", total=total)

    def _part(self, cursor: str) -> tuple[int, int]:
        """Size and number of a page. All pages of a search have the size of its first, also if there is a key later."""
        if not cursor:
            return _PAGE_SIZE if self._credentials is None else _PAGE_SIZE_WITH_KEY, 1
        size, _, number = cursor.partition(":")
        return int(size), int(number)

    async def _headers(self) -> dict[str, str]:
        """The header with a token, if there is a key; a token is asked for when the last one ends."""
        if self._credentials is None:
            return {}
        if not self._token or time.monotonic() > self._token_ends:
            form = {"grant_type": "client_credentials", **vars(self._credentials)}
            status, value = await self._api.request("POST", f"{self._address}/v1/auth_tokens/token/", data=form)
            try:
                self._token = str(value["access_token"])
                self._token_ends = time.monotonic() + float(value["expires_in"]) - _EARLIER_S
            except (KeyError, TypeError, ValueError):
                raise SearchError(
                    f"{self.name} does not take the key (status {status}); check `credentials` or the variables "
                    f"{' and '.join(_VARIABLES)}, or search without"
                ) from None
        return {"Authorization": f"Bearer {self._token}"}


def _parameters(wanted: PhotoFilter) -> dict[str, str]:
    uses = [name for name in wanted.licenses if name in (COMMERCIAL, MODIFICATION)]
    found = {"size": wanted.size, "source": ",".join(wanted.sources)}
    if uses:
        found["license_type"] = ",".join(uses)
    elif ANY not in wanted.licenses:
        found["license"] = ",".join(wanted.licenses)
    return {name: value for name, value in found.items() if value}


def _photo(result: Mapping[str, Any]) -> Photo | None:
    """Read a result; None if it has no image or no licence."""
    text = {name: value for name, value in result.items() if isinstance(value, str)}
    url, code = text.get("url", ""), text.get("license", "")
    if not url or not code:
        return None
    name = _PUBLIC_DOMAIN.get(code, f"CC {code.upper()}")
    license_ = f"{name} {text.get('license_version', '')}".strip()
    facts = {name: text.get(name, "") for name in ("title", "creator", "license_url")}
    names = [tag.get("name") for tag in result.get("tags") or () if isinstance(tag, dict)]
    return Photo(
        url=url,
        fallback=text.get("thumbnail", ""),
        **facts,
        license=license_,
        page=text.get("foreign_landing_url", ""),
        attribution=text.get("attribution")
        or attribution_of(
            title=facts["title"], creator=facts["creator"], license_=license_, license_url=facts["license_url"]
        ),
        tags=tuple(name for name in names if isinstance(name, str)),
    )
