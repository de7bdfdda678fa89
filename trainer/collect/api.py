"""Requests to the API of a provider: no more than it allows, and repeated if it asks for that."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from trainer.collect.body import read_body
from trainer.collect.failures import Failure
from trainer.collect.fetching import retry_after_s
from trainer.errors import SearchError
from trainer.progress import Progress

_MAX_BYTES = 8_000_000
_TIMEOUT_S = 60.0
_ATTEMPTS = 4
_ASKING_TO_WAIT = (429, 503)
_TEMPORARY = (408, 500, 502, 503, 504)
_MINUTE_S, _DAY_S = 60.0, 86_400.0
_PERIODS = {"s": 1.0, "m": _MINUTE_S, "h": 3_600.0, "d": _DAY_S}
_RATE = re.compile(r"([0-9]{1,9})/([smhd])")
_AVAILABLE = "x-ratelimit-available-"
_SHOWN_WAIT_S = 5.0


class RequestsSpent(Exception):
    """The provider allows no more requests for now. The message says until when."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """How many requests a provider allows.

    Attributes:
        per_minute: In any minute.
        per_day: In any day; None: without a bound of its own.
    """

    per_minute: int
    per_day: int | None = None


class RequestWindow:
    """Keeps to an allowance: no minute and no day has more requests, wherever it starts."""

    def __init__(self, allowance: Allowance, *, ages_s: Iterable[float] = ()) -> None:
        """Take the allowance, and how long ago there were requests of earlier commands, in seconds."""
        self.allowance = allowance
        now = time.monotonic()
        self._times = deque(sorted(now - age for age in ages_s if age < _DAY_S))
        self._not_before = 0.0
        self._spent = ""

    def seconds_to_wait(self) -> float:
        """Seconds until the next request may be sent.

        Raises:
            RequestsSpent: None may be sent today.
        """
        now = time.monotonic()
        while self._times and now - self._times[0] >= _DAY_S:
            self._times.popleft()
        if self._spent:
            raise RequestsSpent(self._spent)
        if self.allowance.per_day is not None and len(self._times) >= self.allowance.per_day:
            hours = (self._times[-self.allowance.per_day] + _DAY_S - now) / 3_600
            raise RequestsSpent(f"{self.allowance.per_day} a day are allowed, the next one in {hours:.1f} hours")
        return max(self._seconds_until_free(now), self._not_before - now, 0.0)

    def _seconds_until_free(self, now: float) -> float:
        full = len(self._times) >= self.allowance.per_minute
        return max(self._times[-self.allowance.per_minute] + _MINUTE_S - now, 0.0) if full else 0.0

    def count(self) -> None:
        """A request is sent."""
        self._times.append(time.monotonic())

    def pause(self, seconds: float) -> None:
        """The provider asked to wait."""
        self._not_before = max(self._not_before, time.monotonic() + seconds)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Obey X-RateLimit headers: `X-RateLimit-Limit-burst: 20/min`, `X-RateLimit-Available-burst: 0`."""
        for name, value in headers.items():
            kind = name.casefold().partition(_AVAILABLE)[2]
            rate = _RATE.match(headers.get(f"x-ratelimit-limit-{kind}", ""))
            if not kind or not rate or value.strip() != "0" or "thumbnail" in kind:
                continue
            period_s = _PERIODS[rate[2]]
            if period_s > _MINUTE_S:
                self._spent = f"none of {headers[f'x-ratelimit-limit-{kind}']} requests is left"
            elif not self._seconds_until_free(time.monotonic()):  # others have used this address, too
                self.pause(period_s)


class Api:
    """The API of a provider."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        name: str,
        window: RequestWindow,
        progress: Progress,
        *,
        max_wait_s: float = 300.0,
        backoff_s: float = 1.0,
    ) -> None:
        """Take how the API is reached.

        Args:
            client: What reaches only addresses that were checked.
            name: Of the provider.
            window: How many requests it allows.
            progress: Shows what happens.
            max_wait_s: Most seconds that it may ask to wait.
            backoff_s: Seconds before a request is repeated; doubled for each other time, and shortened at random.
        """
        self._client, self._name, self._progress = client, name, progress
        self._max_wait_s, self._backoff_s = max_wait_s, backoff_s
        self.window = window
        self._random = random.SystemRandom()

    async def request(
        self,
        method: str,
        url: str,
        *,
        is_busy: Callable[[Any], bool] = lambda _: False,
        **options: Any,
    ) -> tuple[int, Any]:
        """Send a request, again if the provider asks for that.

        Args:
            method: GET or POST.
            url: Where to.
            is_busy: Whether the JSON of a response with status 200 says to come back later.
            **options: Of `httpx.AsyncClient.build_request`.

        Returns:
            Status and JSON of the response; None in place of JSON if it has none.

        Raises:
            RequestsSpent: The provider allows no more requests for now.
            SearchError: It does not answer.
        """
        why = ""
        for attempt in range(_ATTEMPTS):
            await self._wait()
            self.window.count()
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    response, value = await self._send(method, url, options)
            except TimeoutError:
                why = f"it did not answer in {_TIMEOUT_S:.0f} s"
            except Failure as failure:
                why = failure.detail
                if not failure.temporary:
                    break
            else:
                self.window.learn(response.headers)
                busy = response.status_code in _ASKING_TO_WAIT or is_busy(value)
                if not busy and response.status_code not in _TEMPORARY:
                    return response.status_code, value
                why = f"it answers with status {response.status_code}{_detail(value)}"
                wait_s = retry_after_s(response)
                if wait_s is not None:
                    self._pause(wait_s)
                    continue
            self.window.pause(self._backoff_s * 2**attempt * self._random.uniform(0.5, 1.0))
        raise SearchError(f"{self._name} cannot be searched: {why}; try again later")

    def _pause(self, wait_s: float) -> None:
        if wait_s > self._max_wait_s:
            raise RequestsSpent(f"it asks to wait {wait_s:.0f} s")
        self.window.pause(wait_s)

    async def _wait(self) -> None:
        while (seconds := self.window.seconds_to_wait()) > 0:
            if seconds >= _SHOWN_WAIT_S:
                self._progress.info(f"{self._name} allows the next request in {seconds:.0f} s")
            await asyncio.sleep(seconds)

    async def _send(self, method: str, url: str, options: dict[str, Any]) -> tuple[httpx.Response, Any]:
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", **options.pop("headers", {})}
        async with self._client.stream(method, url, headers=headers, **options) as response:
            content = await read_body(response, max_bytes=_MAX_BYTES)
        options["headers"] = headers
        try:
            return response, json.loads(content)
        except ValueError:
            return response, None


def _detail(value: Any) -> str:
    """What the provider says about an error, in parentheses."""
    found = value.get("detail") or value.get("error") if isinstance(value, dict) else None
    if isinstance(found, dict):
        found = found.get("info") or json.dumps(found)
    return f" ({' '.join(str(found).split())[:200]})" if found else ""


def error_text(status: int, value: Any) -> str:
    """A status, and what the provider says about it."""
    return f"status {status}{_detail(value)}"
