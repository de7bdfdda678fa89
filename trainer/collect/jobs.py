"""What the commands and the Python API call: from a list of URLs, or from words, to a folder of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from service.pixels import Limits
from trainer.collect.download import DownloadOptions, open_downloader
from trainer.collect.fetching import FetchOptions
from trainer.collect.running import run
from trainer.collect.search import SearchOptions, SearchResult, search_photos
from trainer.collect.summary import Downloads
from trainer.collect.transport import Network
from trainer.collect.urls import Source
from trainer.progress import Progress


def download_options(
    *,
    max_per_label: int | None = None,
    max_bytes: int = 30_000_000,
    max_pixels: int = 50_000_000,
    timeout: float = 60.0,
    max_wait: float = 300.0,
    retries: int = 2,
    contact: str = "",
    proxy: str = "",
    allow_private: bool = False,
    ignore_robots_txt: bool = False,
    ignore_x_robots_tag: bool = False,
    retry_failed: bool = False,
) -> DownloadOptions:
    """Options under the names of the command line and of the Python API; times are in seconds."""
    return DownloadOptions(
        fetch=FetchOptions(
            timeout_s=timeout,
            max_bytes=max_bytes,
            ignore_robots_txt=ignore_robots_txt,
            ignore_x_robots_tag=ignore_x_robots_tag,
            contact=contact,
            network=Network(allow_private=allow_private, proxy=proxy),
        ),
        max_per_label=max_per_label,
        limits=Limits(max_pixels=max_pixels),
        retries=retries,
        max_wait_s=max_wait,
        retry_failed=retry_failed,
    )


def download_list(sources: Sequence[Source], folder: Path, options: DownloadOptions, progress: Progress) -> Downloads:
    """Download the images of a list of URLs.

    Args:
        sources: The list: see `read_list` and `sources_of`.
        folder: Where the images go, each in the folder of its label; made if it does not exist. If an earlier command
            was stopped, this one goes on.
        options: What is downloaded, and how.
        progress: Shows what happens.

    Raises:
        CollectError: The folder or an option cannot be used.
        OSError: An image cannot be written.
    """

    async def work() -> Downloads:
        async with open_downloader(folder, options, progress) as downloader:
            return await downloader.download(sources)

    return run(work())


def search(queries: Sequence[str], folder: Path, options: SearchOptions, progress: Progress) -> SearchResult:
    """Search for photos and download them; see `search_photos`."""
    return run(search_photos(folder, queries, options, progress))
