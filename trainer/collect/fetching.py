"""One request: a URL -> its content, or where it leads, or why there is neither."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

import httpx

from trainer.collect.agent import user_agent
from trainer.collect.body import read_body
from trainer.collect.failures import Failure
from trainer.collect.queues import HostQueues
from trainer.collect.robots import MAX_ROBOTS_BYTES, RobotsRules, forbidding_tag, read_robots
from trainer.collect.transport import CheckedTransport, Network
from trainer.collect.urls import check_url
from trainer.errors import CollectError

T = TypeVar("T")

MAX_REDIRECTS = 5
_ROBOTS_S = 20.0
_MAX_KNOWN_ORIGINS = 10_000
_REDIRECTS = (301, 302, 303, 307, 308)
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
_ASKING_TO_WAIT = (429, 503)
_SILENCES = ("no-connection", "timeout", "connection-lost", "unknown-host")
_SECONDS_OF_A_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """How images are requested.

    Attributes:
        timeout_s: Most seconds for one request, from the look-up of the name to the last byte.
        max_bytes: Most bytes of an image, received and decompressed.
        ignore_robots_txt: Whether robots.txt is not asked for.
        ignore_x_robots_tag: Whether the header X-Robots-Tag is not looked at.
        contact: Mail address or page of the person who downloads.
        network: How hosts are reached.
        trusted_hosts: Hosts whose robots.txt does not count: those of an API that offers its files.
    """

    timeout_s: float = 60.0
    max_bytes: int = 30_000_000
    ignore_robots_txt: bool = False
    ignore_x_robots_tag: bool = False
    contact: str = ""
    network: Network = Network()
    trusted_hosts: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a request gave: `content`, or `redirect`.

    Attributes:
        content: The bytes.
        redirect: Where the image is instead; None if it is not elsewhere.
    """

    content: bytes = b""
    redirect: httpx.URL | None = None


def open_client(network: Network, contact: str = "") -> httpx.AsyncClient:
    """Open a client that reaches only addresses that were checked, and keeps no cookies.

    Raises:
        CollectError: The proxy or the contact cannot be used.
    """
    try:
        transport = CheckedTransport(network)
    except ValueError as error:
        raise CollectError(f"`proxy`: {error}") from error
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": user_agent(contact), "Accept": "image/*, */*;q=0.5", "Accept-Encoding": "identity"},
    )


class Fetcher:
    """Requests images, as their servers allow."""

    def __init__(self, client: httpx.AsyncClient, options: FetchOptions, queues: HostQueues[object]) -> None:
        """Take the client, how images are requested, and the queues that learn of each host."""
        self._client, self._options, self._queues = client, options, queues
        self._rules: dict[str, RobotsRules] = {}

    async def fetch(self, url: httpx.URL) -> Fetched:
        """Request an image once.

        Raises:
            Failure: There is none.
        """
        closed = self._queues.closed(url.host)
        if closed is not None:
            raise Failure(closed.reason, closed.detail)
        try:
            if not (await self._robots(url)).allows(str(url)):
                raise Failure(
                    "robots-txt", f"robots.txt of {url.host} forbids it; `ignore_robots_txt` would ignore that"
                )
            return await self._within(self._options.timeout_s, self._request(url))
        except Failure as failure:
            if failure.reason in _SILENCES and failure.http_status is None:
                self._queues.note_silence(url.host)
            raise

    async def _request(self, url: httpx.URL) -> Fetched:
        async with self._client.stream("GET", url) as response:
            self._queues.note_answer(url.host)
            if response.status_code in _REDIRECTS and "location" in response.headers:
                return Fetched(redirect=redirect_target(response))
            raise_for_status(response)
            tag = forbidding_tag(response.headers.get_list("x-robots-tag"))
            if tag and not self._options.ignore_x_robots_tag:
                raise Failure(
                    "x-robots-tag",
                    f"X-Robots-Tag of {url.host} says {tag}; `ignore_x_robots_tag` would ignore that",
                    http_status=response.status_code,
                )
            try:
                return Fetched(content=await read_body(response, max_bytes=self._options.max_bytes))
            except Failure as failure:
                failure.http_status = response.status_code
                raise

    async def _robots(self, url: httpx.URL) -> RobotsRules:
        """The rules of a URL's origin; asked for once."""
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        rules = self._rules.get(origin)
        if rules is None:
            if self._options.ignore_robots_txt or url.host in self._options.trusted_hosts:
                rules = RobotsRules()
            else:
                rules = await self._within(min(_ROBOTS_S, self._options.timeout_s), self._request_robots(origin))
            if len(self._rules) >= _MAX_KNOWN_ORIGINS:
                self._rules.pop(next(iter(self._rules)))
            self._rules[origin] = rules
            self._queues.open(url.host, interval_s=rules.crawl_delay_s)
        return rules

    async def _request_robots(self, origin: str) -> RobotsRules:
        url = httpx.URL(f"{origin}/robots.txt")
        for _ in range(MAX_REDIRECTS + 1):
            async with self._client.stream("GET", url) as response:
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    url = redirect_target(response)
                    continue
                if response.status_code in _ASKING_TO_WAIT:
                    raise_for_status(response)
                try:
                    content = await read_body(response, max_bytes=MAX_ROBOTS_BYTES)
                except Failure as failure:
                    if failure.reason != "too-large":
                        raise
                    content = b""  # nobody writes such rules
                return read_robots(response.status_code, content)
        return RobotsRules()  # RFC 9309: as if there was none

    async def _within(self, seconds: float, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError as error:
            raise Failure("timeout", f"not complete in {seconds:g} s", temporary=True) from error


def redirect_target(response: httpx.Response) -> httpx.URL:
    """Where a redirect leads.

    Raises:
        Failure: To something that is not requested.
    """
    try:
        joined = response.request.url.join(response.headers["location"])
    except (httpx.InvalidURL, ValueError) as error:
        raise Failure("bad-url", "the server redirects to something that is no URL") from error
    return check_url(str(joined))


def raise_for_status(response: httpx.Response) -> None:
    """Raise Failure unless the status is 200."""
    status = response.status_code
    if status == httpx.codes.OK:
        return
    wait_s = retry_after_s(response) if status in _ASKING_TO_WAIT else None
    name = httpx.codes.get_reason_phrase(status)
    raise Failure(
        "http-status",
        f"{status} {name}".strip(),
        temporary=status in _TEMPORARY,
        wait_s=wait_s,
        http_status=status,
    )


def retry_after_s(response: httpx.Response) -> float | None:
    """Seconds that the header Retry-After asks to wait, as a number or a date; None if it says nothing."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return min(float(text[:12]), _SECONDS_OF_A_DAY)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max((when - datetime.now(UTC)).total_seconds(), 0.0), _SECONDS_OF_A_DAY)
