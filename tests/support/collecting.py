"""Downloads as tests need them: small pauses, and a look at what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trainer.collect.download import DownloadOptions, open_downloader
from trainer.collect.fetching import FetchOptions
from trainer.collect.running import run
from trainer.collect.summary import Downloads
from trainer.collect.transport import Network
from trainer.collect.urls import sources_of
from trainer.progress import NoProgress

LOCAL = Network(allow_private=True)


def download(folder: Path, pairs: Iterable[tuple[str, str]], *, network: Network = LOCAL, **options: Any) -> Downloads:
    """Download URLs with their labels. Options are those of `FetchOptions` and of `DownloadOptions`."""
    fetch = {name: options.pop(name) for name in list(options) if name in FetchOptions.__dataclass_fields__}
    chosen = DownloadOptions(
        fetch=FetchOptions(**{"timeout_s": 5.0, **fetch}, network=network), **{"backoff_s": 0.01, **options}
    )
    sources = sources_of(pairs)

    async def work() -> Downloads:
        async with open_downloader(folder, chosen, NoProgress()) as downloader:
            return await downloader.download(sources)

    return run(work())


def fates(folder: Path) -> dict[str, dict[str, Any]]:
    """URL -> what the journal says of it in the end."""
    lines = (folder / "downloads.jsonl").read_text(encoding="utf-8").splitlines()
    return {value["url"]: value for value in map(json.loads, lines) if "url" in value}


def images(folder: Path) -> dict[str, bytes]:
    """Path of each image -> its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".jsonl", ".csv")
    }
