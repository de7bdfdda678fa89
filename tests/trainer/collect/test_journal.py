"""The journal of a folder: what it survives, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.collect.journal import NAME, Fate, Journal
from trainer.errors import CollectError

FATE = Fate(url="http://x/1", label="a", status="kept", sha256="0" * 64, path="a/0.jpg", bytes=9, time="2026-01-01")


def test_the_last_fate_of_a_url_counts(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add(Fate(url=FATE.url, label="a", status="failed", reason="timeout"))
        journal.add(FATE)
    with Journal(tmp_path) as journal:
        assert journal.fates == {FATE.url: FATE}


def test_a_line_that_is_not_complete_is_cut_off(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add(FATE)
    content = (tmp_path / NAME).read_bytes()
    for end in range(len(content)):
        (tmp_path / NAME).write_bytes(content[:end])
        with Journal(tmp_path) as journal:
            assert journal.fates == {}
            journal.add(FATE)
        with Journal(tmp_path) as journal:
            assert journal.fates == {FATE.url: FATE}


def test_a_move_goes_for_every_url_of_the_image(tmp_path: Path) -> None:
    other = Fate(url="http://x/2", label="b", status="duplicate", path="a/0.jpg")
    with Journal(tmp_path) as journal:
        journal.add(FATE)
        journal.add(other)
        journal.move(FATE, "b/0.jpg")
        moved = dict(journal.fates)
    with Journal(tmp_path) as journal:
        assert journal.fates == moved
    assert {fate.path for fate in moved.values()} == {"b/0.jpg"}


def test_urls_that_are_no_text(tmp_path: Path) -> None:
    fate = Fate(url="http://x/\udcff\u2028\n", status="failed")
    with Journal(tmp_path) as journal:
        journal.add(fate)
    with Journal(tmp_path) as journal:
        assert journal.fates == {fate.url: fate}


def test_two_processes_cannot_use_a_folder_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(CollectError, match="another process downloads to this folder"):
        Journal(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]\n", "this is not the journal of a download"),
        ('{"version": 1}\nx\n', "this is not the journal of a download"),
        ('{"version": 1}\n{"label": "a"}\n', "this is not the journal of a download"),
        ('{"version": 2}\n', "it has the format 2; this version reads 1"),
    ],
)
def test_what_is_no_journal(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(content)
    with pytest.raises(CollectError, match=message):
        Journal(tmp_path)
    assert (tmp_path / NAME).read_text() == content


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(tmp_path / "other")
    with pytest.raises(CollectError, match="cannot be used"):
        Journal(tmp_path)
    assert not (tmp_path / "other").exists()
