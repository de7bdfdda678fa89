"""Search for openly licensed photos and download them: the story."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from trainer.collect import openverse, wikimedia
from trainer.collect.agent import has_contact
from trainer.collect.api import Api, RequestsSpent, RequestWindow
from trainer.collect.attribution import NAME, write_attribution
from trainer.collect.download import Downloader, DownloadOptions, open_downloader
from trainer.collect.failures import Failure
from trainer.collect.photos import Page, Photo, PhotoFilter, Provider
from trainer.collect.searches import Search, SearchJournal
from trainer.collect.suggestions import why_fewer
from trainer.collect.summary import Downloads
from trainer.collect.urls import Source, check_url, require_folders
from trainer.errors import CollectError, SearchError
from trainer.progress import Progress

_ADDRESSES = {"openverse": openverse.API, "wikimedia": wikimedia.API}
PROVIDERS = tuple(_ADDRESSES)
_KEY_HELPS = "; a key of Openverse (`credentials`) allows more"
_MOST_WORDS = 200  # characters of a query


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What is searched for, and where.

    Attributes:
        provider: One of PROVIDERS.
        count: Number of images that each label should have in the end.
        label: Label of all queries; empty: each query is a label.
        wanted: Which photos.
        credentials: File with a key of Openverse; None: the environment.
        api: Address of the API, if it is another one.
        download: How the photos are downloaded.
    """

    provider: str = PROVIDERS[0]
    count: int = 100
    label: str = ""
    wanted: PhotoFilter = PhotoFilter()
    credentials: Path | None = None
    api: str = ""
    download: DownloadOptions = DownloadOptions()

    @property
    def address(self) -> str:
        """Address of the API."""
        return self.api or _ADDRESSES[self.provider]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What came of a search.

    Attributes:
        downloads: What came of the photos.
        images: Label -> number of its images in the folder, also those of other searches and lists.
        remarks: Sentences: why there are fewer images than wanted, and how to go on.
        failure: Why the provider could not be asked any more; empty if it could.
        attributed: Number of rows of attribution.csv.
    """

    downloads: Downloads
    images: Mapping[str, int]
    remarks: tuple[str, ...]
    failure: str
    attributed: int

    def to_json(self) -> dict[str, Any]:
        """Everything as a JSON object."""
        more = {
            "images": dict(self.images),
            "remarks": list(self.remarks),
            "failure": self.failure,
            "attributed": self.attributed,
        }
        return self.downloads.to_json() | more

    def __str__(self) -> str:
        """The same in lines for people."""
        failure = [self.failure] if self.failure else []
        lines = [f"  {NAME}: {self.attributed:,} photos with creator and licence", *self.remarks, *failure]
        return "\n".join([str(self.downloads), *lines])


@dataclass(kw_only=True)
class Query:
    """A query under way.

    Attributes:
        words: Of the query.
        label: Of its photos.
        photos: What was found, the best first.
        cursor: What to ask for the next part with.
        total: Number of all photos that the provider knows; None if it does not say.
        is_over: Whether there is no next part.
    """

    words: str
    label: str
    photos: list[Photo] = field(default_factory=list)
    cursor: str = ""
    total: int | None = None
    is_over: bool = False

    def take(self, page: Page) -> None:
        """Add a part of what was found."""
        self.photos += page.photos
        self.cursor, self.is_over = page.next, not page.next
        self.total = self.total if page.total is None else page.total


async def search_photos(
    folder: Path, queries: Sequence[str], options: SearchOptions, progress: Progress
) -> SearchResult:
    """Search for photos, and download them.

    Args:
        folder: Where the images go, each in the folder of its label; made if it does not exist. If an earlier command
            was stopped, this one goes on.
        queries: The words of each query.
        options: What is searched for, and where.
        progress: Shows what happens.

    Raises:
        CollectError: A query, the folder or an option cannot be used.
    """
    _require_options(options)
    under_way = _read_queries(queries, options.label)
    credentials = openverse.read_credentials(options.credentials) if options.provider == "openverse" else None
    if options.provider == "wikimedia" and not has_contact(options.download.fetch.contact):
        progress.warn("Wikimedia Commons wants to know who asks, and may refuse without; give `contact`")
    trusted = (httpx.URL(options.address).host,)
    download = replace(options.download, fetch=replace(options.download.fetch, trusted_hosts=trusted))
    async with open_downloader(folder, download, progress) as downloader:
        journal = SearchJournal(folder)
        provider = _open_provider(options, credentials, downloader, journal, progress)
        searcher = _Searcher(provider, journal, options, progress)
        while True:
            images = downloader.images_of_labels()
            await searcher.gather(under_way, images, decided=downloader.journal.fates)
            downloads = await downloader.download(list(_sources(under_way)), max_per_label=options.count)
            attributed = write_attribution(folder, journal.photos(), downloader.journal.fates)
            if searcher.why_over or not _open_queries(under_way, downloader.images_of_labels(), options.count):
                break
        images = downloader.images_of_labels()
    remarks = [searcher.remark] if searcher.remark else []
    for label in _labels(under_way):
        own = [query for query in under_way if query.label == label]
        if images[label] >= options.count and not any(query.photos for query in own):
            remarks.append(f"{label}: {images[label]:,} images are there already; a larger `count` adds to them")
        elif images[label] < options.count and not searcher.why_over:
            remarks.append(why_fewer(own, provider, folder=folder, have=images[label], wanted=options.count))
    return SearchResult(
        downloads=downloads,
        images={label: images[label] for label in _labels(under_way)},
        remarks=tuple(remarks),
        failure=searcher.failure,
        attributed=attributed,
    )


def _labels(queries: Sequence[Query]) -> list[str]:
    return list(dict.fromkeys(query.label for query in queries))


class _Searcher:
    """Asks a provider, or the journal of what it answered before.

    Attributes:
        why_over: Why it is not asked any more; empty if it is.
        remark: The same as a sentence, if it is nobody's fault.
        failure: The same, if the provider failed.
    """

    def __init__(self, provider: Provider, journal: SearchJournal, options: SearchOptions, progress: Progress) -> None:
        self._provider, self._journal, self._options, self._progress = provider, journal, options, progress
        self.remark = self.failure = ""

    @property
    def why_over(self) -> str:
        return self.remark or self.failure

    async def gather(self, queries: Sequence[Query], images: Counter[str], *, decided: Container[str]) -> None:
        """Ask for as many photos as may be needed, queries of one label in turn.

        Args:
            queries: What is asked.
            images: Label -> number of images that it has.
            decided: URLs that were downloaded, or failed.
        """
        for query in queries:  # what was answered before
            while not query.is_over and (page := self._journal.page(self._search(query), query.cursor)) is not None:
                query.take(page)
        for label in _labels(queries):
            own = [query for query in queries if query.label == label]
            while not self.why_over and any(not query.is_over for query in own):
                new = {photo.url for query in own for photo in query.photos if photo.url not in decided}
                if len(new) >= self._options.count - images[label]:
                    break
                for query in own:
                    if not query.is_over and not self.why_over:
                        await self._ask(query)

    async def _ask(self, query: Query) -> None:
        self._progress.info(f"{self._provider.name}: {query.words}, from result {len(query.photos) + 1:,}")
        search = self._search(query)
        try:
            page = await self._provider.page(query.words, self._options.wanted, query.cursor)
        except RequestsSpent as spent:
            self.remark = (
                f"{self._provider.name} allows no more requests for now: {spent}. The same command goes on later"
                f"{_KEY_HELPS if isinstance(self._provider, openverse.Openverse) else ''}."
            )
            return
        except SearchError as error:
            self.failure = str(error)
            return
        self._journal.add(search, query.cursor, page)
        query.take(page)

    def _search(self, query: Query) -> Search:
        return Search(provider=self._provider.name, query=query.words, wanted=self._options.wanted)


def _require_options(options: SearchOptions) -> None:
    if options.provider not in PROVIDERS:
        raise CollectError(f"`provider` must be one of {', '.join(PROVIDERS)}")
    if options.count < 1:
        raise CollectError(f"`count` must be at least 1, not {options.count}")
    try:
        check_url(options.address)
    except Failure as failure:
        raise CollectError(f"`api`: {failure.detail}") from failure


def _read_queries(queries: Sequence[str], label: str) -> list[Query]:
    words = list(dict.fromkeys(" ".join(query.split()) for query in queries))
    for query in words:
        if not query or len(query) > _MOST_WORDS:
            raise CollectError(f"a query must have words, and {_MOST_WORDS} characters at most: {query[:40]!r}")
    if not words:
        raise CollectError("there is no query; say what to search for")
    found = [Query(words=query, label=label or query) for query in words]
    require_folders([query.label for query in found])
    return found


def _open_provider(
    options: SearchOptions,
    credentials: openverse.Credentials | None,
    downloader: Downloader,
    journal: SearchJournal,
    progress: Progress,
) -> Provider:
    kind = openverse.Openverse if options.provider == "openverse" else wikimedia.Wikimedia
    allowance = openverse.allowance(credentials) if options.provider == "openverse" else wikimedia.ALLOWANCE
    window = RequestWindow(allowance, ages_s=journal.ages_s(kind.name))
    pauses = {"max_wait_s": options.download.max_wait_s, "backoff_s": options.download.backoff_s}
    api = Api(downloader.client, kind.name, window, progress, **pauses)
    if options.provider == "openverse":
        return openverse.Openverse(api, credentials, options.address)
    return wikimedia.Wikimedia(api, options.address)


def _open_queries(queries: Sequence[Query], images: Counter[str], count: int) -> list[Query]:
    """The queries whose label needs more images, and that may find more."""
    return [query for query in queries if not query.is_over and images[query.label] < count]


def _sources(queries: Sequence[Query]) -> Iterator[Source]:
    """What was found, as a list for a download: the best of all queries first, each photo once."""
    labels: dict[str, dict[str, None]] = {}
    photos: dict[str, Photo] = {}
    most = max((len(query.photos) for query in queries), default=0)
    for rank in range(most):
        for query in queries:
            if rank < len(query.photos):
                photo = query.photos[rank]
                photos.setdefault(photo.url, photo)
                labels.setdefault(photo.url, {})[query.label] = None
    for number, (url, photo) in enumerate(photos.items()):
        alternatives = (photo.fallback,) if photo.fallback else ()
        yield Source(number=number, url=url, labels=tuple(labels[url]), alternatives=alternatives)
