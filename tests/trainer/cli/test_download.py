"""`fieldguide download` from the command line: what it prints, its exit codes, and its errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.collecting import images
from tests.support.misbehaving import MisbehavingServer
from tests.support.trainer import command, error_of, trainer
from trainer.collect.journal import Journal


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer("0.0.0.0") as running:
        yield running


def listed(folder: Path, server: MisbehavingServer, *paths: str) -> Path:
    """A table with the labels a and b in turn, and a host of its own for each URL."""
    rows = [f"{server.url(path, f'127.0.1.{number}')},{'ab'[number % 2]}" for number, path in enumerate(paths, start=2)]
    path = folder / "list.csv"
    path.write_text("\n".join(["url,label", *rows, ""]), encoding="utf-8")
    return path


def test_it_says_how_many_came_and_why_others_failed(server: MisbehavingServer, tmp_path: Path) -> None:
    good, bad = ("image/1", "image/2", "image/3", "same/1", "same/2"), ("status/404", "text/1", "tag/1/noai")
    table = listed(tmp_path, server, *good, *bad)
    result = trainer("download", table, tmp_path / "photos", "--allow-private")
    assert result.exit_code == 0
    assert result.stdout == (
        f"{tmp_path}/photos: 4 new images, 0 were there before\n"
        "  a 2, b 2\n"
        "  the same image as another URL: 1 URL\n"
        "  under several labels in the list: 1 image; each is kept under its first label, the others are in "
        "downloads.jsonl\n"
        "  failed: 1 URL: refused by the server (status 404)\n"
        "  failed: 1 URL: not an image\n"
        "  failed: 1 URL: forbidden by X-Robots-Tag\n"
        "  downloads.jsonl says why; --retry-failed tries again\n"
        f"next: fieldguide check {tmp_path}/photos\n"
    )
    assert len(images(tmp_path / "photos")) == 4
    again = trainer("download", table, tmp_path / "photos", "--allow-private")
    assert again.stdout.startswith(f"{tmp_path}/photos: 0 new images, 4 were there before\n")


def test_json(server: MisbehavingServer, tmp_path: Path) -> None:
    table = listed(tmp_path, server, "image/1", "status/404")
    result = trainer("download", table, tmp_path / "photos", "--allow-private", "--json")
    value = json.loads(result.stdout)
    assert value == {
        "folder": f"{tmp_path}/photos",
        "came": 1,
        "there": 0,
        "removed": 0,
        "duplicates": 0,
        "failed": {"404": 1},
        "failed_before": 0,
        "not_tried": 0,
        "several_labels": 0,
        "labels": {"a": 1},
        "journal": f"{tmp_path}/photos/downloads.jsonl",
    }


def test_options(server: MisbehavingServer, tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    urls.write_text("\n".join(server.url(f"image/{number}") for number in range(9)))
    options = ["--label", "bear", "--max", "3", "--contact", "me@example.org", "--allow-private"]
    result = trainer("download", urls, tmp_path / "photos", *options)
    assert "  bear 3\n" in result.stdout
    assert "  not needed: 6 URLs\n" in result.stdout
    assert all("me@example.org" in head["user-agent"] for head in server.heads)
    for option, value, reason in (("--max-bytes", "1000", "too many bytes"), ("--max-pixels", "99", "over a limit")):
        refused = trainer("download", urls, tmp_path / option, option, value, "--allow-private")
        assert reason in refused.stdout
        assert refused.exit_code == 1
        assert error_of(refused) == f"error: no image came, and none was there before: {tmp_path / option}"


def test_without_permission_nothing_of_ones_own_is_reached(server: MisbehavingServer, tmp_path: Path) -> None:
    result = trainer("download", listed(tmp_path, server, "image/1"), tmp_path / "photos")
    assert result.exit_code == 1
    assert "failed: 1 URL: at an address that is not public" in result.stdout
    assert not server.requests


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            "url,label\nhttp://x/,../x\n",
            [],
            "the label '../x' starts with . or ~; a label becomes a folder: rename it",
        ),
        ("url,label\nhttp://x/,train\n", [], "the label 'train' is that of a split, which no class can have"),
        ("url,label\n", [], "list.csv: there is no URL in it"),
        ("url,label\nhttp://x/,a\n", ["--label", "b"], "the list has labels; leave out --label, or the column label"),
        ("url\nhttp://x/\n", ["--contact", "a\nb"], "--contact must be a mail address or a page"),
        ("url\nhttp://x/\n", ["--proxy", "me:secret@host"], "--proxy: the proxy must be given as http://HOST:PORT"),
    ],
)
def test_wrong_use(content: str, options: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(content)
    result = trainer("download", tmp_path / "list.csv", tmp_path / "photos", *options)
    assert result.exit_code == 2
    assert message in error_of(result)
    assert "secret" not in result.stderr


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    urls.write_text("http://127.0.0.1:1/")
    assert "error: " in error_of(trainer("download", urls, urls))
    with Journal(tmp_path):
        result = trainer("download", urls, tmp_path)
    assert result.exit_code == 2
    assert "another process downloads to this folder" in error_of(result)


def test_ctrl_c_says_how_to_go_on(server: MisbehavingServer, tmp_path: Path) -> None:
    table = listed(tmp_path, server, "image/1", "slow/2")
    words = command("download", table, tmp_path / "photos", "--allow-private")
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not any("slow" in path for _, path in server.requests):
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    last = errors.splitlines()[-1]
    again = f"fieldguide download {table} {tmp_path}/photos --allow-private"
    assert last == f"error: interrupted; continue with: {again}"
    assert not (tmp_path / "photos" / ".unfinished").exists()
