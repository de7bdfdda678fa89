"""`fieldguide search` from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.support.collecting import images
from tests.support.photo_search import PhotoSearchServer
from tests.support.trainer import error_of, trainer
from trainer.cli.search import split_words


@pytest.fixture
def server() -> Iterator[PhotoSearchServer]:
    with PhotoSearchServer() as running:
        yield running


def test_it_downloads_photos_and_names_their_creators(server: PhotoSearchServer, tmp_path: Path) -> None:
    api = ("--api", server.openverse, "--allow-private")
    result = trainer("search", "grizzly bear", tmp_path / "photos", "--count", "15", *api)
    assert result.exit_code == 0
    assert result.stdout == (
        f"{tmp_path}/photos: 15 new images, 0 were there before\n"
        "  grizzly bear 15\n"
        "  not needed: 5 URLs\n"
        "  attribution.csv: 15 photos with creator and licence\n"
        f"next: fieldguide check {tmp_path}/photos\n"
    )
    assert len(images(tmp_path / "photos")) == 15
    value = json.loads(trainer("search", "teddy", tmp_path / "photos", "--count", "5", *api, "--json").stdout)
    assert (value["came"], value["attributed"], value["remarks"], value["failure"]) == (5, 20, [], "")


def test_a_suggestion_can_be_pasted(server: PhotoSearchServer, tmp_path: Path) -> None:
    server.totals = {"bear": 3}
    result = trainer("search", "bear", tmp_path / "photos", "--api", server.openverse, "--allow-private")
    suggestion = result.stdout.partition("such as: ")[2].splitlines()[0]
    assert suggestion == f"fieldguide search 'bear alaska' {tmp_path}/photos --label bear --count 100"


def test_a_provider_that_fails(server: PhotoSearchServer, tmp_path: Path) -> None:
    server.answers = [(400, {"detail": "No."}, ())]
    result = trainer("search", "bear", tmp_path / "photos", "--api", server.openverse, "--allow-private")
    assert result.exit_code == 1
    assert error_of(result) == "error: Openverse does not take this search: status 400 (No.)"


def test_filters_and_the_other_provider(server: PhotoSearchServer, tmp_path: Path) -> None:
    options = ("--count", "2", "--license", "CC0, by", "--size", "large", "--allow-private")
    trainer("search", "bear", tmp_path / "a", *options, "--source", "flickr", "--api", server.openverse)
    assert server.parameters[0] | {"license": "cc0,by", "size": "large", "source": "flickr"} == server.parameters[0]
    result = trainer(
        *("search", "bear", tmp_path / "b", "--count", "2", "--provider", "wikimedia", "--allow-private"),
        *("--api", server.wikimedia),
    )
    assert result.exit_code == 0
    assert "warning: Wikimedia Commons wants to know who asks, and may refuse without; give --contact" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--license", "free"], "--license must be commercial, modification or both, or any, or some of cc0"),
        (["--api", "ftp://x"], "--api: not a URL of http or https"),
        (["--credentials", "no.json"], "no.json: the credentials cannot be read (No such file or directory)"),
    ],
)
def test_wrong_use(options: list[str], message: str, tmp_path: Path) -> None:
    result = trainer("search", "bear", tmp_path / "photos", *options)
    assert result.exit_code == 2
    assert message in error_of(result)


def test_which_word_is_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    for words, expected in (
        (["grizzly bear", "photos"], (("grizzly bear",), "photos")),
        (["photos", "grizzly", "teddy"], (("grizzly", "teddy"), "photos")),
        (["there", "grizzly"], (("grizzly",), "there")),
        (["grizzly", "teddy", "there"], (("grizzly", "teddy"), "there")),
        (["new/photos", "grizzly"], (("grizzly",), "new/photos")),
        (["grizzly", "teddy", "new/photos"], (("grizzly", "teddy"), "new/photos")),
    ):
        queries, folder = split_words(words)
        assert (queries, str(folder)) == expected
    for words in (["grizzly"], ["there", "there"], ["a/b", "c/d"]):
        with pytest.raises(click.UsageError):
            split_words(words)
