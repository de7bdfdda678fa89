"""From an idea to photos from Python: lists of URLs, and searches for openly licensed photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trainer.collect.jobs
from fieldguide.paths import StrPath, optional_path
from fieldguide.progress import show_progress
from trainer.collect.photos import PhotoFilter
from trainer.collect.search import SearchOptions, SearchResult
from trainer.collect.summary import Downloads
from trainer.collect.urls import read_list, sources_of


def download(
    urls: StrPath | Sequence[str] | Sequence[tuple[str, str]],
    folder: StrPath,
    *,
    label: str = "",
    url_column: str = "",
    label_column: str = "",
    max_per_label: int | None = None,
    progress: bool = True,
    **options: Any,
) -> Downloads:
    """Download images from URLs. The same as the command `fieldguide download`.

    Args:
        urls: A list of URLs, or of pairs of URL and label; or a file: a text with a URL in each line, or a table.
        folder: Where the images go, each in the folder of its label; made if it does not exist. If an earlier call was
            stopped, this one goes on.
        label: Label of all images, if they have none.
        url_column: Column of a table; empty: url.
        label_column: Column of a table; empty: label, if there is one.
        max_per_label: Most images with one label: the first ones that can be downloaded; None: all.
        progress: Whether to show progress.
        **options: See `search`.

    Returns:
        How many came, were there, failed, and why; `print` shows it.

    Raises:
        TrainerError: The list, the folder or an option cannot be used.
        TypeError: There is no such option.
    """
    chosen = trainer.collect.jobs.download_options(max_per_label=max_per_label, **options)
    if isinstance(urls, (str, Path)) or hasattr(urls, "__fspath__"):
        sources = read_list(Path(urls), url_column=url_column, label_column=label_column, label=label)
    else:
        sources = sources_of((url, label) if isinstance(url, str) else url for url in urls)
    with show_progress(wanted=progress) as shown:
        return trainer.collect.jobs.download_list(sources, Path(folder), chosen, shown)


def search(
    queries: str | Sequence[str],
    folder: StrPath,
    *,
    count: int = 100,
    label: str = "",
    provider: str = "openverse",
    license: str | Sequence[str] = ("commercial", "modification"),  # noqa: A002  (the field's word)
    size: str = "",
    source: str | Sequence[str] = (),
    credentials: StrPath | None = None,
    api: str = "",
    progress: bool = True,
    **options: Any,
) -> SearchResult:
    """Search for openly licensed photos, and download them. The same as the command `fieldguide search`.

    Args:
        queries: What to search for; each is a label, and a folder.
        folder: Where the images go; made if it does not exist. If an earlier call was stopped, this one goes on.
        count: Number of images that each label should have in the end.
        label: Label of all queries.
        provider: openverse or wikimedia.
        license: What the licence must allow: commercial, modification or both; any; or licences: cc0, by, by-sa ...
        size: small, medium or large; empty: any.
        source: Sources of Openverse, such as flickr; empty: all.
        credentials: JSON file with client_id and client_secret of a key of Openverse; None: the environment, or none.
        api: Address of the API, if it is another one.
        progress: Whether to show progress.
        **options: As for the command, here with their defaults: max_bytes=30_000_000, max_pixels=50_000_000,
            timeout=60.0 and max_wait=300.0 (seconds), retries=2, contact="", proxy="", allow_private=False,
            ignore_robots_txt=False, ignore_x_robots_tag=False, retry_failed=False.

    Returns:
        What came (`downloads`), why there are fewer than wanted (`remarks`, `failure`); `print` shows it.

    Raises:
        TrainerError: A query, the folder or an option cannot be used.
        TypeError: There is no such option.
    """
    chosen = SearchOptions(
        provider=provider,
        count=count,
        label=label,
        wanted=PhotoFilter(licenses=_names(license), size=size, sources=_names(source)),
        credentials=optional_path(credentials),
        api=api,
        download=trainer.collect.jobs.download_options(**options),
    )
    words = [queries] if isinstance(queries, str) else list(queries)
    with show_progress(wanted=progress) as shown:
        return trainer.collect.jobs.search(words, Path(folder), chosen, shown)


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(names.split(",")) if isinstance(names, str) else tuple(names)
