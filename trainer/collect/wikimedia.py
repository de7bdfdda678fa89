"""Wikimedia Commons: photos that the projects of Wikimedia use (https://commons.wikimedia.org/w/api.php)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import httpx

from trainer.collect.api import Allowance, Api, error_text
from trainer.collect.photos import Page, Photo, PhotoFilter, attribution_of
from trainer.errors import CollectError, SearchError

API = "https://commons.wikimedia.org/w/api.php"
# Read one after the other, and with pauses: the project asks for that, and names no fixed rate.
ALLOWANCE = Allowance(per_minute=30)
_DEPTH = 10_000
_PAGE_SIZE = 50
_WIDTH = 1280  # of the file that is downloaded if the original is wider, pixels
_RESOLUTIONS = {"small": "fileres:<640", "medium": "fileres:640,1600", "large": "fileres:>1600"}
_FIELDS = "License|LicenseShortName|LicenseUrl|Artist|ObjectName"
_BUSY = ("maxlag", "ratelimited", "readonly")
_LICENSE = re.compile(r"cc-(by(?:-nc)?(?:-sa|-nd)?)-[0-9.]+.*|(cc0|cc-zero).*|(pd|public-domain).*", re.IGNORECASE)


class Wikimedia:
    """The provider. See `trainer.collect.photos.Provider`."""

    name = "Wikimedia Commons"
    depth = _DEPTH

    def __init__(self, api: Api, address: str = "") -> None:
        """Take the API, and its address if it is another one."""
        self._api = api
        self._address = address or API

    async def page(self, query: str, wanted: PhotoFilter, cursor: str) -> Page:
        """See `Provider.page`."""
        if wanted.sources:
            raise CollectError(f"{self.name} is one source; leave out `source`")
        words = " ".join(part for part in (query, "filetype:bitmap", _RESOLUTIONS.get(wanted.size, "")) if part)
        parameters = {
            **{"action": "query", "format": "json", "formatversion": "2", "maxlag": "5"},
            **{"generator": "search", "gsrsearch": words, "gsrnamespace": "6", "gsrlimit": str(_PAGE_SIZE)},
            **{"prop": "imageinfo", "iiprop": "url|size|mime|extmetadata", "iiurlwidth": str(_WIDTH)},
            **{"iiextmetadatafilter": _FIELDS, "iiextmetadatalanguage": "en"},
            **({"gsroffset": cursor, "continue": "gsroffset||"} if cursor else {}),
        }
        status, value = await self._api.request("GET", self._address, params=parameters, is_busy=_is_busy)
        if status == httpx.codes.FORBIDDEN:
            raise SearchError(f"{self.name} refuses ({error_text(status, value)}); it wants a `contact`")
        if status != httpx.codes.OK or not isinstance(value, dict) or "error" in value:
            raise SearchError(f"{self.name} does not take this search: {error_text(status, value)}")
        try:
            pages = sorted(value.get("query", {}).get("pages", ()), key=lambda page: page.get("index", 0))
            photos = tuple(photo for page in pages if (photo := _photo(page, wanted)) is not None)
            following = str(value.get("continue", {}).get("gsroffset", ""))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SearchError(f"{self.name} answers in a way that this version does not understand") from error
        return Page(photos=photos, next=following)


def _is_busy(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("error"), dict) and value["error"].get("code") in _BUSY


def _photo(page: Mapping[str, Any], wanted: PhotoFilter) -> Photo | None:
    """Read a page of a file; None if it is no image, or its licence is not wanted."""
    (info,) = page.get("imageinfo", ()) or (None,)
    if info is None or not str(info.get("mime", "")).startswith("image/"):
        return None
    facts = {name: plain_text(str(fact["value"])) for name, fact in info.get("extmetadata", {}).items()}
    if _license_name(facts.get("License") or facts.get("LicenseShortName", "")) not in wanted.allowed():
        return None
    title = str(page["title"]).partition(":")[2].rpartition(".")[0] or str(page["title"])
    title, creator = facts.get("ObjectName") or title, facts.get("Artist", "")
    license_, license_url = facts.get("LicenseShortName") or facts["License"], facts.get("LicenseUrl", "")
    is_wider = int(info.get("width", 0)) > _WIDTH and info.get("thumburl")
    return Photo(
        url=str(info["thumburl"] if is_wider else info["url"]),
        fallback=str(info["url"] if is_wider else info.get("thumburl", "")),
        title=title,
        creator=creator,
        license=license_,
        license_url=license_url,
        page=str(info.get("descriptionurl", "")),
        attribution=attribution_of(title=title, creator=creator, license_=license_, license_url=license_url),
    )


def _license_name(code: str) -> str:
    """The name of a licence as `LICENSES` has it; empty if it is none of them."""
    found = _LICENSE.fullmatch(code.strip().replace(" ", "-"))
    if found is None:
        return ""
    return (found[1] or "").casefold() or ("cc0" if found[2] else "pdm")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.pieces.append(data)


def plain_text(html: str) -> str:
    """The text of HTML, in one line."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    return " ".join("".join(parser.pieces).split())
