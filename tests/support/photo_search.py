"""Openverse and Wikimedia Commons as their references document them, on a local server: shapes, limits and errors.

Openverse: https://api.openverse.org/v1/ and the serializers, throttles and examples of github.com/WordPress/openverse.
Wikimedia Commons: https://www.mediawiki.org/wiki/API:Search, API:Imageinfo, API:Etiquette and Manual:Maxlag parameter.
"""

from __future__ import annotations

import asyncio
import io
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.misbehaving import MisbehavingServer, send, send_json
from tests.support.photos import COLOURS, draw

CLIENT_ID, CLIENT_SECRET, TOKEN = "id-of-a-test", "secret-of-a-test", "token-of-a-test"
_DEPTH = 240
_LICENSES = ("cc0", "pdm", "by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "sampling+", "nc-sampling+")


class PhotoSearchServer(MisbehavingServer):
    """Both APIs, and the photos that they name.

    Photo number N of query number Q is /image/1000Q+N.

    Attributes:
        totals: Query -> number of results; of another one 100.
        paths: Path of a photo instead of /image/NUMBER: number -> path.
        minute, day: Requests that are left without a key.
        parameters: Of every request to an API.
        answers: Status, JSON and headers of the next answers of an API, before it answers as it should.
    """

    def __init__(self) -> None:
        super().__init__()
        self.totals: dict[str, int] = {}
        self.paths: dict[int, str] = {}
        self.minute, self.day = 20, 200
        self.parameters: list[dict[str, str]] = []
        self.answers: list[tuple[int, Any, tuple[str, ...]]] = []
        self.token = TOKEN
        self._queries: list[str] = []

    @property
    def openverse(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def wikimedia(self) -> str:
        return f"http://127.0.0.1:{self.port}/w/api.php"

    async def respond(self, path: str, host: str, writer: asyncio.StreamWriter) -> bool:
        parts = urlsplit(path)
        given = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/v1/auth_tokens/token/":
            return await self._token(writer)
        if parts.path not in ("/v1/images/", "/w/api.php"):
            return await super().respond(path, host, writer)
        self.parameters.append(given)
        if self.answers:
            status, value, headers = self.answers.pop(0)
            return await send_json(writer, value, *headers, status=status)
        return await (self._openverse if parts.path == "/v1/images/" else self._wikimedia)(given, writer)

    def _number(self, query: str) -> int:
        if query not in self._queries:
            self._queries.append(query)
        return self._queries.index(query)

    def _url(self, query: str, index: int) -> str:
        number = 1000 * self._number(query) + index
        return self.url(self.paths.get(number, f"image/{number}"))

    # Openverse

    async def _token(self, writer: asyncio.StreamWriter) -> bool:
        form = parse_qs(self.heads[-1]["body"])
        if form != {"grant_type": ["client_credentials"], "client_id": [CLIENT_ID], "client_secret": [CLIENT_SECRET]}:
            return await send_json(writer, {"error": "invalid_client"}, status=401)
        value = {"access_token": self.token, "scope": "read write", "expires_in": 36_000, "token_type": "Bearer"}
        return await send_json(writer, value)

    async def _openverse(self, given: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        has_key = "authorization" in self.heads[-1]
        if has_key and self.heads[-1]["authorization"] != f"Bearer {self.token}":
            return await send_json(writer, {"detail": "Authentication credentials were not provided."}, status=401)
        headers = ()
        if not has_key:
            if not self.minute or not self.day:
                seconds = 86_000 if not self.day else 1
                detail = f"Request was throttled. Expected available in {seconds} seconds."
                return await send_json(writer, {"detail": detail}, f"Retry-After: {seconds}", status=429)
            self.minute, self.day = self.minute - 1, self.day - 1
            headers = (
                "X-RateLimit-Limit-anon_burst: 20/min",
                f"X-RateLimit-Available-anon_burst: {self.minute}",
                "X-RateLimit-Limit-anon_sustained: 200/day",
                f"X-RateLimit-Available-anon_sustained: {self.day}",
            )
        page, size = int(given.get("page", 1)), int(given.get("page_size", 20))
        who, most = ("authenticated", 500) if has_key else ("anonymous", 20)
        for name in given.get("license", "cc0").split(","):
            if name not in _LICENSES:
                return await send_json(
                    writer, {"detail": {"license": [f"License '{name}' does not exist."]}}, status=400
                )
        if size > most:
            detail = f"page_size may not exceed {most} for {who} requests"
            return await send_json(writer, {"detail": detail}, *headers, status=401)
        if page * size > _DEPTH:
            detail = f"pagination depth may not exceed {_DEPTH} for {who} requests"
            return await send_json(writer, {"detail": detail}, *headers, status=401)
        query = given["q"]
        total = self.totals.get(query, 100)
        shown = range((page - 1) * size, min(page * size, total))
        value = {
            "result_count": total,
            "page_count": min(-(-total // size), _DEPTH // size),
            "page_size": size,
            "page": page,
            "results": [self.openverse_result(query, index) for index in shown],
        }
        return await send_json(writer, value, *headers)

    def openverse_result(self, query: str, index: int) -> dict[str, Any]:
        number = 1000 * self._number(query) + index
        identifier = f"4bc43a04-ef46-4544-a0c1-{number:012}"
        return {
            "id": identifier,
            "title": f"{query.title()} {index}",
            "indexed_on": "2022-08-27T17:39:48Z",
            "foreign_landing_url": f"https://stocksnap.example/photo/{number}",
            "url": self._url(query, index),
            "creator": "Tim Sullivan",
            "creator_url": "https://www.example.org",
            "license": "by-sa",
            "license_version": "2.0",
            "license_url": "https://creativecommons.org/licenses/by-sa/2.0/",
            "provider": "stocksnap",
            "source": "stocksnap",
            "category": "photograph",
            "filesize": None,
            "filetype": "jpg",
            "tags": [
                {"accuracy": None, "name": name, "unstable__provider": "stocksnap"} for name in ("alaska", "big bear")
            ],
            "attribution": f'"{query.title()} {index}" by Tim Sullivan is licensed under CC BY-SA 2.0.',
            "fields_matched": ["title"],
            "mature": False,
            "height": 4016,
            "width": 6016,
            "thumbnail": self.url(f"image/{500_000 + number}"),
            "detail_url": f"{self.openverse}/v1/images/{identifier}/",
            "related_url": f"{self.openverse}/v1/images/{identifier}/related/",
            "unstable__sensitivity": [],
        }

    # Wikimedia Commons

    async def _wikimedia(self, given: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        query = given["gsrsearch"].partition(" filetype:")[0]
        size, start = int(given["gsrlimit"]), int(given.get("gsroffset", 0))
        total = self.totals.get(query, 100)
        end = min(start + size, total)
        pages = [self.wikimedia_page(query, index) for index in range(start, end)]
        value: dict[str, Any] = {"batchcomplete": True, "query": {"pages": pages[::-1]}}  # the order is in `index`
        if not pages:
            del value["query"]
        if end < total:
            value["continue"] = {"gsroffset": end, "continue": "gsroffset||"}
        return await send_json(writer, value)

    def wikimedia_page(self, query: str, index: int) -> dict[str, Any]:
        url = self._url(query, index)
        code, name = ("cc-by-nc-2.0", "CC BY-NC 2.0") if index % 10 == 9 else ("cc-by-sa-4.0", "CC BY-SA 4.0")
        facts = {
            "ObjectName": f"{query.title()} {index}",
            "Artist": '<a href="//commons.wikimedia.org/wiki/User:Ann" title="User:Ann">Ann</a> &amp; <b>Bo</b>',
            "License": code,
            "LicenseShortName": name,
            "LicenseUrl": "https://creativecommons.org/licenses/by-sa/4.0",
        }
        return {
            "pageid": 1000 + index,
            "ns": 6,
            "title": f"File:{query.title()} {index}.jpg",
            "index": index + 1,
            "imagerepository": "local",
            "imageinfo": [
                {
                    "size": 123_456,
                    "width": 4000 if index % 2 else 800,
                    "height": 3000,
                    "thumburl": url,
                    "thumbwidth": 1280,
                    "thumbheight": 960,
                    "url": url if index % 2 == 0 else self.url(f"image/{700_000 + index}"),
                    "descriptionurl": f"https://commons.wikimedia.org/wiki/File:{index}.jpg",
                    "descriptionshorturl": f"https://commons.wikimedia.org/w/index.php?curid={index}",
                    "mime": "image/jpeg",
                    "extmetadata": {key: {"value": fact, "source": "commons-desc-page"} for key, fact in facts.items()},
                }
            ],
        }


class ColouredPhotos(PhotoSearchServer):
    """Photos that a tiny network can learn: each query has a colour."""

    async def do_image(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        number = int(rest)
        file = io.BytesIO()
        draw(tuple(COLOURS)[number // 1000 % len(COLOURS)], number).save(file, "JPEG", quality=95)
        return await send(writer, file.getvalue())
