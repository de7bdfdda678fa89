"""`fieldguide.download` and `fieldguide.search` from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fieldguide
from tests.support.collecting import images
from tests.support.photo_search import PhotoSearchServer


@pytest.fixture
def server() -> Iterator[PhotoSearchServer]:
    with PhotoSearchServer() as running:
        yield running


def test_download_takes_urls_pairs_and_files(server: PhotoSearchServer, tmp_path: Path) -> None:
    urls = [server.url(f"image/{number}") for number in range(4)]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    given = (urls, [(url, "bear") for url in urls], tmp_path / "urls.txt", str(tmp_path / "urls.txt"))
    for number, one in enumerate(given):
        found = fieldguide.download(
            one, tmp_path / str(number), label="" if number == 1 else "bear", allow_private=True, progress=False
        )
        assert dict(found.labels) == {"bear": 4}
        assert str(found).startswith(f"{tmp_path / str(number)}: 4 new images")


def test_search_takes_one_query_or_several(server: PhotoSearchServer, tmp_path: Path) -> None:
    options = {"count": 3, "api": server.openverse, "allow_private": True, "progress": False}
    assert fieldguide.search("bear", tmp_path, **options).downloads.images == 3
    result = fieldguide.search(["bear", "teddy"], tmp_path, license="any", **options)
    assert len(images(tmp_path)) == 6
    assert "attribution.csv: 6 photos" in str(result)


def test_in_a_notebook_which_runs_a_loop_of_its_own(server: PhotoSearchServer, tmp_path: Path) -> None:
    async def cell() -> Any:
        return fieldguide.download([server.url("image/1")], tmp_path, allow_private=True, progress=False)

    assert asyncio.run(cell()).came == 1


def test_wrong_options(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        fieldguide.download(["http://x/"], tmp_path, colour="red")
    with pytest.raises(fieldguide.TrainerError, match="`license` must be"):
        fieldguide.search("bear", tmp_path, license="free")
    with pytest.raises(fieldguide.TrainerError, match="'a/b' has / in it"):
        fieldguide.download([("http://x/", "a/b")], tmp_path)
