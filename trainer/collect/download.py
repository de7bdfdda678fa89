"""Download a list of URLs: the story."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from service.cores import usable_cores
from service.pixels import Limits
from trainer.collect.failures import Failure
from trainer.collect.fetching import MAX_REDIRECTS, Fetched, Fetcher, FetchOptions, open_client
from trainer.collect.images import ImageFacts, check_image
from trainer.collect.journal import Fate, Journal
from trainer.collect.queues import HostQueues
from trainer.collect.store import ImageStore
from trainer.collect.summary import Downloads, summarise
from trainer.collect.urls import Source, check_url
from trainer.errors import CollectError
from trainer.progress import Progress

_CONNECTIONS = 32
_CONNECTIONS_PER_HOST = 4
_WORKERS = _CONNECTIONS + 8  # some check an image while others wait for the network
_MOST_WAITS = 5
_MAX_BACKOFF_S = 60.0
_ABOUT_THE_IMAGE = ("x-robots-tag",)  # what is true of every copy of an image


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """What is downloaded, and how.

    Attributes:
        fetch: How images are requested.
        max_per_label: Most images with one label; None: all.
        limits: Which images are accepted.
        retries: How often a request is repeated after an error that may pass.
        backoff_s: Seconds before the first repetition; doubled for each other one, and shortened at random.
        max_wait_s: Most seconds that a host may ask to wait; its other URLs fail if it asks for more.
        retry_failed: Whether what failed in an earlier command, or was removed since, is downloaded again.
    """

    fetch: FetchOptions = FetchOptions()
    max_per_label: int | None = None
    limits: Limits = Limits()
    retries: int = 2
    backoff_s: float = 1.0
    max_wait_s: float = 300.0
    retry_failed: bool = False


@dataclass(kw_only=True)
class _Task:
    """A URL that is being downloaded.

    Attributes:
        source: The URL as it was listed.
        candidates: URLs of the same photo that were not tried.
        url: The present one.
        start: The present candidate, before redirects.
        hops: Redirects from there.
        attempts: Failed requests for this candidate.
        waits: How often its host asked to wait.
        requests: All requests.
    """

    source: Source
    candidates: deque[str]
    url: httpx.URL = field(default_factory=httpx.URL)
    start: httpx.URL = field(default_factory=httpx.URL)
    hops: int = 0
    attempts: int = 0
    waits: int = 0
    requests: int = 0


@asynccontextmanager
async def open_downloader(folder: Path, options: DownloadOptions, progress: Progress) -> AsyncIterator[Downloader]:
    """Open a folder to download to; it is made if it does not exist.

    Raises:
        CollectError: It cannot be used, or an option cannot.
    """
    async with open_client(options.fetch.network, options.fetch.contact) as client:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CollectError(f"{folder}: cannot be used ({error.strerror})") from error
        with Journal(folder) as journal, ThreadPoolExecutor(usable_cores(), thread_name_prefix="check") as threads:
            yield Downloader(folder, journal, client, threads, options, progress)


class Downloader:
    """Downloads lists of URLs to one folder. Use `open_downloader`."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        client: httpx.AsyncClient,
        threads: ThreadPoolExecutor,
        options: DownloadOptions,
        progress: Progress,
    ) -> None:
        self._folder, self._journal, self._client, self._threads = folder, journal, client, threads
        self._options, self._progress = options, progress
        self._before = dict(journal.fates)
        self._random = random.SystemRandom()

    @property
    def journal(self) -> Journal:
        """The fates of all URLs of the folder."""
        return self._journal

    @property
    def client(self) -> httpx.AsyncClient:
        """What reaches only addresses that were checked."""
        return self._client

    def images_of_labels(self) -> Counter[str]:
        """Label -> number of images that are in the folder."""
        return Counter(ImageStore(self._folder, self._journal, ()).labels_of_images())

    async def download(self, sources: Sequence[Source], *, max_per_label: int | None = None) -> Downloads:
        """Download what was not downloaded yet.

        Args:
            sources: The list.
            max_per_label: Most images with one label; None: as the options say.

        Returns:
            What came of it.

        Raises:
            CollectError: The folder cannot be used.
            OSError: An image cannot be written.
        """
        most = self._options.max_per_label if max_per_label is None else max_per_label
        self._store = ImageStore(self._folder, self._journal, sources)
        self._queues: HostQueues[object] = HostQueues(per_host=_CONNECTIONS_PER_HOST, total=_CONNECTIONS)
        self._fetcher = Fetcher(self._client, self._options.fetch, self._queues)
        self._most, self._have = most, Counter(self._store.labels_of_images())
        self._waiting: defaultdict[str, deque[Source]] = defaultdict(deque)
        self._in_flight: Counter[str] = Counter()
        for source in sources:
            if self._is_open(source):
                self._waiting[source.label].append(source)
        expected = sum(self._expected(label) for label in self._waiting)
        if expected:
            self._progress.start("download", expected)
            self._store.prepare()
            try:
                await self._work_off()
            finally:
                self._store.close()
        return summarise(
            self._folder, sources, before=self._before, now=self._journal.fates, is_there=self._store.is_there
        )

    def _expected(self, label: str) -> int:
        """How many URLs of a label will be downloaded, if none fails."""
        waiting = len(self._waiting[label])
        return waiting if self._most is None else max(min(waiting, self._most - self._have[label]), 0)

    def _is_open(self, source: Source) -> bool:
        """Whether a URL is to be downloaded."""
        fate = self._journal.fates.get(source.url)
        if fate is None or self._store.is_lost(fate):
            return True
        may_repeat = self._options.retry_failed and fate is self._before.get(source.url)  # not twice in one command
        return may_repeat and (fate.status == "failed" or (fate.status == "kept" and not self._store.is_there(fate)))

    async def _work_off(self) -> None:
        for label in list(self._waiting):
            self._release(label)
        workers = [asyncio.create_task(self._work()) for _ in range(_WORKERS)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def _release(self, label: str) -> None:
        """Start as many downloads of a label as may still be needed, in the order of the list.

        So the same images come in the end, whichever server is faster.
        """
        waiting = self._waiting[label]
        while waiting and (self._most is None or self._have[label] + self._in_flight[label] < self._most):
            source = waiting.popleft()
            self._in_flight[label] += 1
            self._next_candidate(_Task(source=source, candidates=deque((source.url, *source.alternatives))))

    def _next_candidate(self, task: _Task) -> None:
        """Request the next URL of a photo."""
        try:
            task.url = task.start = check_url(task.candidates.popleft())
        except Failure as failure:
            self._fail(task, failure)
            return
        task.hops = task.attempts = task.waits = 0
        self._queues.add(task.url.host, task)

    # One request

    async def _work(self) -> None:
        while (got := await self._queues.get()) is not None:
            host, task = got
            assert isinstance(task, _Task)
            try:
                await self._advance(host, task)
                self._release(task.source.label)
            finally:
                self._queues.finish()

    async def _advance(self, host: str, task: _Task) -> None:
        task.requests += 1
        try:
            try:
                fetched = await self._fetcher.fetch(task.url)
            finally:
                self._queues.release(host)
            if fetched.redirect is not None:
                self._follow(task, fetched.redirect)
                return
            loop = asyncio.get_running_loop()
            facts, unfinished = await loop.run_in_executor(self._threads, self._check, task.source, fetched)
        except Failure as failure:
            self._repeat_or_fail(host, task, failure)
            return
        kept = self._store.keep(self._fate(task), task.source, facts, unfinished)
        self._have.update(kept.change)
        self._settle(task)
        for label in kept.change:
            self._release(label)

    def _follow(self, task: _Task, url: httpx.URL) -> None:
        """Queue a redirect at its own host."""
        task.hops += 1
        if task.hops > MAX_REDIRECTS:
            raise Failure("redirects", f"more than {MAX_REDIRECTS} redirects")
        task.url = url
        self._queues.add(url.host, task)

    def _check(self, source: Source, fetched: Fetched) -> tuple[ImageFacts, Path]:
        """On a thread: decode the image, and write it."""
        facts = check_image(fetched.content, self._options.limits)
        return facts, self._store.write(source, fetched.content)

    def _repeat_or_fail(self, host: str, task: _Task, failure: Failure) -> None:
        options = self._options
        if failure.wait_s is not None and failure.wait_s > options.max_wait_s:
            detail = f"{host} asks to wait {failure.wait_s:.0f} s, more than `max_wait` allows"
            self._queues.close(host, Failure("host-busy", detail))
            failure = Failure("host-busy", detail, http_status=failure.http_status)
        elif failure.wait_s is not None and task.waits < _MOST_WAITS:
            task.waits += 1
            self._queues.slow_down(host, failure.wait_s)
            self._queues.add(host, task)
            return
        elif failure.temporary and task.attempts < options.retries and self._queues.closed(host) is None:
            delay_s = min(options.backoff_s * 2**task.attempts, _MAX_BACKOFF_S)
            task.attempts += 1
            task.hops, task.url = 0, task.start
            self._queues.add(task.url.host, task, delay_s=delay_s * self._random.uniform(0.5, 1.0))
            return
        self._fail(task, failure)

    def _fail(self, task: _Task, failure: Failure) -> None:
        """Try another URL of the photo, or write that there is none."""
        if task.candidates and failure.reason not in _ABOUT_THE_IMAGE:
            self._next_candidate(task)
            return
        self._journal.add(self._fate(task, failure))
        self._settle(task)

    # The end of a URL

    def _fate(self, task: _Task, failure: Failure | None = None) -> Fate:
        source = task.source
        return Fate(
            url=source.url,
            label=source.label,
            labels=source.labels if len(source.labels) > 1 else (),
            status="failed",
            reason="" if failure is None else failure.reason,
            detail="" if failure is None else failure.detail,
            http_status=httpx.codes.OK if failure is None else failure.http_status,
            final_url=str(task.url),
            requests=task.requests,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _settle(self, task: _Task) -> None:
        """Count a URL as done."""
        self._in_flight[task.source.label] -= 1
        self._progress.advance()
