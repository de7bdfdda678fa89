"""What the commands and the Python API call: from a list of URLs to a folder of images."""

from __future__ import annotations

from pathlib import Path

from trainer.collect.download import DownloadOptions, open_downloader
from trainer.collect.running import run
from trainer.collect.summary import Downloads
from trainer.collect.urls import read_list
from trainer.progress import Progress


def download_list(
    urls: Path,
    folder: Path,
    options: DownloadOptions,
    progress: Progress,
    *,
    url_column: str = "",
    label_column: str = "",
    label: str = "",
) -> Downloads:
    """Download the images of a list of URLs.

    Args:
        urls: The list; see `read_list`.
        folder: Where the images go, each in the folder of its label; made if it does not exist. If an earlier command
            was stopped, this one goes on.
        options: What is downloaded, and how.
        progress: Who is told.
        url_column: Column of a table; empty: url.
        label_column: Column of a table; empty: label, if there is one.
        label: Label of all images.

    Raises:
        CollectError: The list, the folder or an option cannot be used.
        OSError: An image cannot be written.
    """
    sources = read_list(urls, url_column=url_column, label_column=label_column, label=label)

    async def work() -> Downloads:
        async with open_downloader(folder, options, progress) as downloader:
            return await downloader.download(sources)

    return run(work())
