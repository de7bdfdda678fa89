"""Downloads from a server that misbehaves in every way: each URL has the fate that it should have."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.collecting import download, fates, images
from tests.support.full_disk import no_file_over
from tests.support.misbehaving import MisbehavingServer, image
from trainer.errors import CollectError

# Path on the server -> status and reason, in a download with 2 MB at most.
FATES = {
    "image/1": "kept",
    "plain/2": "kept",
    "chunked/3": "kept",
    "gzip/4": "kept",
    "cut/5": "kept",
    "cookie/6": "kept",
    "flaky/500/7": "kept",
    "flaky/503/8": "kept",
    "busy/0/9": "kept",
    "busy/Thu,%2001%20Jan%202026%2000:00:00%20GMT/10": "kept",
    "redirect/5/11": "kept",
    "tag/12/nofollow": "kept",
    "tag/13/otherbot: noai": "kept",
    "status/404": "failed http-status",
    "status/403": "failed http-status",
    "status/206": "failed http-status",
    "status/204": "failed http-status",
    "status/500": "failed http-status",
    "status/429": "failed http-status",
    "busy/9999/14": "failed host-busy",
    "truncated/18": "failed connection-lost",
    "reset/19": "failed connection-lost",
    "cut_off/20": "failed undecodable",
    "bomb/21": "failed undecodable",
    "text/22": "failed not-an-image",
    "empty/23": "failed not-an-image",
    "huge/24": "failed too-large",
    "endless/25": "failed too-large",
    "gzip_bomb/26": "failed too-large",
    "endless_head/27": "failed bad-response",
    "endless_trailer/28": "failed bad-response",
    "garbage/29": "failed bad-response",
    "brotli/30": "failed bad-response",
    "redirect/6/31": "failed redirects",
    "redirect/-1/32": "failed redirects",
    "to/http:!!169.254.169.254!latest!meta-data": "failed private-address",
    "to/http:!!0xa9fea9fe!": "failed private-address",
    "to/file:!!!etc!passwd": "failed bad-url",
    "to/http:!!user:secret@127.0.0.1!": "failed bad-url",
    "to/http:!![": "failed bad-url",
    "tag/33/noai": "failed x-robots-tag",
    "tag/34/noimageai": "failed x-robots-tag",
    "tag/35/all, noindex": "failed x-robots-tag",
    "tag/36/NoImageIndex": "failed x-robots-tag",
    "tag/37/fieldguide: noml": "failed x-robots-tag",
}


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    """On every loopback address: 127.0.0.1, 127.0.0.2 ... are hosts that know nothing of each other."""
    with MisbehavingServer("0.0.0.0") as running:
        yield running


@pytest.fixture(scope="module")
def fated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """One download of everything, each from a host of its own: the folder, and path -> what came of it."""
    folder = tmp_path_factory.mktemp("photos")
    with MisbehavingServer("0.0.0.0") as server:
        urls = {server.url(path, f"127.0.1.{number}"): path for number, path in enumerate(FATES, start=1)}
        result = download(folder, ((url, "a") for url in urls), timeout_s=30.0, max_bytes=2_000_000, retries=1)
        assert not result.not_tried
        found = fates(folder)
        yield (
            folder,
            {path: f"{found[url]['status']} {found[url].get('reason', '')}".strip() for url, path in urls.items()},
        )


@pytest.mark.parametrize(("path", "fate"), FATES.items())
def test_the_fate_of(path: str, fate: str, fated: tuple[Path, dict[str, str]]) -> None:
    assert fated[1][path] == fate


def test_what_is_too_slow(server: MisbehavingServer, tmp_path: Path) -> None:
    """A byte now and then, a head without a body, and nothing at all."""
    urls = [server.url(path, f"127.0.1.{number}") for number, path in enumerate(("slow/1", "stalled/2", "silent/3"), 1)]
    result = download(tmp_path, ((url, "a") for url in urls), timeout_s=0.5, retries=1)
    assert result.failed == {"timeout": 3}
    assert {fate["detail"] for fate in fates(tmp_path).values()} == {"not complete in 0.5 s"}


def test_what_was_kept_is_what_was_sent(fated: tuple[Path, dict[str, str]]) -> None:
    numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    expected = {f"a/{hashlib.sha256(image(number)).hexdigest()[:32]}.jpg": image(number) for number in numbers}
    assert images(fated[0]) == expected


def test_the_journal_has_everything_that_is_known(fated: tuple[Path, dict[str, str]]) -> None:
    fate = next(fate for url, fate in fates(fated[0]).items() if url.endswith("redirect/5/11"))
    assert fate["final_url"].endswith("/image/11")
    assert (fate["http_status"], fate["format"], fate["width"], fate["height"]) == (200, "JPEG", 24, 24)
    assert fate["sha256"] == hashlib.sha256(image(11)).hexdigest()
    assert (fate["bytes"], fate["requests"]) == (len(image(11)), 6)
    assert fate["time"].endswith("+00:00")
    assert fate["path"] == f"a/{fate['sha256'][:32]}.jpg"


def test_urls_that_are_not_requested(server: MisbehavingServer, tmp_path: Path) -> None:
    urls = {
        "ftp://127.0.0.1/a.jpg": "bad-url",
        "file:///etc/passwd": "bad-url",
        "javascript:alert(1)": "bad-url",
        "//127.0.0.1/a.jpg": "bad-url",
        "photos/a.jpg": "bad-url",
        "http://": "bad-url",
        "http://user:secret@127.0.0.1/a.jpg": "bad-url",
        "http://127.0.0.1:99999/a.jpg": "bad-url",
        "http://127.0.0.1%00.example.org/": "bad-url",
        "http://[::1%25lo]/": "bad-url",
        "http://" + "a" * 9000: "bad-url",
        "http://a..b/": "unknown-host",
        "http://" + "a" * 70 + ".test/": "unknown-host",
        "http://0.0.0.0:1/": "private-address",
        "http://127.0.0.1:1/": "no-connection",
    }
    download(tmp_path, ((url, "") for url in urls), retries=0)
    assert {url: fate["reason"] for url, fate in fates(tmp_path).items()} == urls
    assert not server.requests


def test_without_permission_no_address_of_ones_own_is_reached(server: MisbehavingServer, tmp_path: Path) -> None:
    from trainer.collect.transport import Network

    hosts = ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0")
    result = download(tmp_path, ((server.url("image/1", host), "") for host in hosts), network=Network())
    assert result.failed == {"private-address": len(hosts)}
    assert not server.requests


def test_a_dead_host_holds_up_nothing(server: MisbehavingServer, tmp_path: Path) -> None:
    """Its first URLs fail one by one, the others at once."""
    dead = [f"http://127.0.0.9:1/{number}" for number in range(200)]
    alive = [server.url(f"image/{number}") for number in range(20)]
    result = download(tmp_path, ((url, "a") for url in dead + alive), retries=1)
    assert result.came == 20
    assert result.failed["host-silent"] > 180


def test_every_host_gets_four_connections_at_most(server: MisbehavingServer, tmp_path: Path) -> None:
    server.delay_s = 0.02
    hosts = [f"127.0.0.{number}" for number in range(1, 11)]
    pairs = [(server.url(f"image/{number}", hosts[number % 10]), "a") for number in range(200)]
    assert download(tmp_path, pairs).came == 200
    assert max(server.most_at_a_time.values()) == 4
    assert server.most_at_a_time.total() > 32


def test_robots_txt_is_obeyed_unless_it_is_ignored(server: MisbehavingServer, tmp_path: Path) -> None:
    server.robots = {
        "127.0.0.1": "User-agent: *\nDisallow: /image/\nAllow: /image/2$\n",
        "127.0.0.2": "User-agent: fieldguide\nDisallow: /\n\nUser-agent: *\nAllow: /\n",
        "127.0.0.3": "User-agent: other\nDisallow: /\n",
    }
    pairs = [(server.url(f"image/{number}", f"127.0.0.{host}"), "a") for host in (1, 2, 3) for number in (1, 2)]
    result = download(tmp_path / "obeyed", pairs)
    assert result.failed == {"robots-txt": 3}
    asked = [path for _, path in server.requests]
    assert asked.count("/robots.txt") == 3
    server.requests.clear()
    ignored = download(tmp_path / "ignored", pairs, ignore_robots_txt=True)
    assert not ignored.failed
    assert ("127.0.0.1", "/robots.txt") not in server.requests


def test_robots_txt_of_the_host_that_a_redirect_leads_to_counts(server: MisbehavingServer, tmp_path: Path) -> None:
    server.robots = {"127.0.0.2": "User-agent: *\nDisallow: /\n"}
    target = server.url("image/1", "127.0.0.2").replace("/", "!")
    result = download(tmp_path, [(server.url(f"to/{target}"), "a")])
    assert result.failed == {"robots-txt": 1}
    assert ("127.0.0.2", "/image/1") not in server.requests


def test_x_robots_tag_can_be_ignored(server: MisbehavingServer, tmp_path: Path) -> None:
    assert download(tmp_path, [(server.url("tag/1/noai"), "a")], ignore_x_robots_tag=True).came == 1


def test_a_host_that_asks_to_wait_is_left_alone(server: MisbehavingServer, tmp_path: Path) -> None:
    """And gets one request at a time from then on; no image is lost."""
    pairs = [(server.url("busy/1/0"), "a")] + [(server.url(f"image/{number}"), "a") for number in range(1, 4)]
    started = time.monotonic()
    assert download(tmp_path, pairs, max_wait_s=2.0).came == 4
    assert time.monotonic() - started > 1


def test_requests_say_who_asks_and_carry_no_cookie(server: MisbehavingServer, tmp_path: Path) -> None:
    urls = [server.url("cookie/1"), server.url("image/2"), server.url("image/3")]
    download(tmp_path, ((url, "") for url in urls), contact="me@example.org")
    for head in server.heads:
        assert head["user-agent"].startswith("fieldguide/")
        assert "me@example.org" in head["user-agent"]
        assert "cookie" not in head


class TestTheSameContent:
    def test_is_kept_once_under_its_first_label(self, server: MisbehavingServer, tmp_path: Path) -> None:
        pairs = [(server.url(f"same/{number}"), label) for number, label in enumerate(("b", "a", "b", "c"))]
        result = download(tmp_path, pairs)
        (path,) = images(tmp_path)
        assert path.startswith("b/")
        assert (result.came, result.duplicates, result.several_labels) == (1, 3, 1)
        found = fates(tmp_path)
        assert [found[url]["status"] for url, _ in pairs] == ["kept", "duplicate", "duplicate", "duplicate"]
        assert all(fate["path"] == path for fate in fates(tmp_path).values())
        assert "under several labels in the list: 1 image" in str(result)

    def test_goes_to_the_first_label_even_if_another_server_is_faster(
        self, server: MisbehavingServer, tmp_path: Path
    ) -> None:
        slow, fast = server.url("busy/1/5", "127.0.0.1"), server.url("image/5", "127.0.0.2")
        result = download(tmp_path, [(slow, "first"), (fast, "second")])
        (path,) = images(tmp_path)
        assert path.startswith("first/")
        assert (result.came, result.duplicates, dict(result.labels)) == (1, 1, {"first": 1})
        again = download(tmp_path, [(slow, "first"), (fast, "second")])
        assert (again.there, again.duplicates) == (1, 1)

    def test_a_url_with_two_labels_is_downloaded_once(self, server: MisbehavingServer, tmp_path: Path) -> None:
        result = download(tmp_path, [(server.url("image/1"), "a"), (server.url("image/1"), "b")])
        assert [path for _, path in server.requests].count("/image/1") == 1
        assert (result.came, result.several_labels) == (1, 1)
        assert fates(tmp_path)[server.url("image/1")]["labels"] == ["a", "b"]


class TestTheMostImagesOfALabel:
    def test_are_the_first_ones_of_the_list(self, server: MisbehavingServer, tmp_path: Path) -> None:
        paths = ["status/404", "image/0", "text/0", "image/1", "image/1?again", "image/2", "image/3", "image/4"]
        result = download(tmp_path, [(server.url(path), "a") for path in paths], max_per_label=3)
        expected = {hashlib.sha256(image(number)).hexdigest()[:32] for number in range(3)}
        assert {Path(path).stem for path in images(tmp_path)} == expected
        assert result.not_tried == 2

    def test_include_those_that_were_there(self, server: MisbehavingServer, tmp_path: Path) -> None:
        pairs = [(server.url(f"image/{number}"), "ab"[number % 2]) for number in range(10)]
        download(tmp_path, pairs, max_per_label=2)
        result = download(tmp_path, pairs, max_per_label=3)
        assert (result.came, result.there) == (2, 4)

    def test_many_bad_urls_in_a_row(self, tmp_path: Path) -> None:
        result = download(tmp_path, [(f"nothing/{number}", "a") for number in range(3000)], max_per_label=2)
        assert result.failed == {"bad-url": 3000}


class TestASecondCommand:
    def test_downloads_only_what_was_not_decided(self, server: MisbehavingServer, tmp_path: Path) -> None:
        pairs = [(server.url(path), "a") for path in ("image/1", "status/404", "flaky/404/2")]
        download(tmp_path, pairs)
        server.requests.clear()
        result = download(tmp_path, [*pairs, (server.url("image/3"), "a")])
        assert (result.came, result.there, result.failed_before) == (1, 1, 2)
        assert [path for _, path in server.requests] == ["/robots.txt", "/image/3"]
        assert "not tried again: 2 URLs" in str(result)

    def test_tries_again_if_it_is_told_to(self, server: MisbehavingServer, tmp_path: Path) -> None:
        pairs = [(server.url(path), "a") for path in ("image/1", "status/404", "flaky/404/2")]
        download(tmp_path, pairs)
        result = download(tmp_path, pairs, retry_failed=True)
        assert (result.came, result.there, result.failed) == (1, 1, {"404": 1})

    def test_does_not_bring_back_what_was_removed(self, server: MisbehavingServer, tmp_path: Path) -> None:
        pairs = [(server.url("image/1"), "a"), (server.url("image/2"), "a")]
        download(tmp_path, pairs)
        gone = tmp_path / next(iter(images(tmp_path)))
        gone.unlink()
        result = download(tmp_path, pairs)
        assert (result.there, result.removed) == (1, 1)
        assert not gone.exists()
        assert download(tmp_path, pairs, retry_failed=True).came == 1
        assert gone.exists()

    def test_leaves_an_image_that_was_changed(self, server: MisbehavingServer, tmp_path: Path) -> None:
        pairs = [(server.url("image/1"), "a")]
        download(tmp_path, pairs)
        path = tmp_path / next(iter(images(tmp_path)))
        path.write_bytes(b"mine")
        download(tmp_path, pairs, retry_failed=True)
        (tmp_path / "downloads.jsonl").unlink()
        download(tmp_path, pairs)
        assert path.read_bytes() == b"mine"

    def test_downloads_what_a_power_cut_emptied(self, server: MisbehavingServer, tmp_path: Path) -> None:
        pairs = [(server.url("image/1"), "a")]
        download(tmp_path, pairs)
        path = tmp_path / next(iter(images(tmp_path)))
        path.write_bytes(b"")
        download(tmp_path, pairs)
        assert path.read_bytes() == image(1)


def test_a_link_in_place_of_the_unfinished_files_is_not_followed(server: MisbehavingServer, tmp_path: Path) -> None:
    """Files of the user with numbers for names would be removed."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "1").write_text("mine")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / ".unfinished").symlink_to(tmp_path / "mine")
    with pytest.raises(CollectError, match="this is a link; remove it"):
        download(tmp_path / "photos", [(server.url("image/1"), "")])
    assert (tmp_path / "mine" / "1").read_text() == "mine"


def test_a_full_disk_ends_the_command_and_the_next_one_goes_on(server: MisbehavingServer, tmp_path: Path) -> None:
    pairs = [(server.url(f"image/{number}"), "a") for number in range(100)]
    with no_file_over(9_000), pytest.raises(OSError, match="File too large"):  # room for a part of the journal
        download(tmp_path, pairs)
    assert not (tmp_path / ".unfinished").exists()
    before = len(images(tmp_path))
    assert 5 < before < 60
    assert download(tmp_path, pairs).images == 100
    assert len(images(tmp_path)) == 100


def big_list(server: MisbehavingServer) -> list[tuple[str, str]]:
    """1,000 URLs of eight hosts and four labels, 100 of them bad, 50 with the content of others, in a random order."""
    bad = ("status/404", "text/0", "truncated/0", "status/500", "bomb/0", "tag/0/noai", "redirect/-1/0", "garbage/0")
    paths = [f"image/{number % 850}?{number}" for number in range(900)] + [
        f"{bad[number % 8]}?{number}" for number in range(100)
    ]
    random.Random(0).shuffle(paths)
    return [(server.url(path, f"127.0.0.{1 + number % 8}"), f"label {number % 4}") for number, path in enumerate(paths)]


def test_a_thousand_urls_with_a_hundred_bad_ones_and_kill_9_in_the_middle(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    pairs = big_list(server)
    whole = download(tmp_path / "whole", pairs)
    assert (whole.came, whole.duplicates, sum(whole.failed.values())) == (850, 50, 100)
    table = tmp_path / "list.csv"
    table.write_text("".join(f"{url},{label}\n" for url, label in [("url", "label"), *pairs]), encoding="utf-8")
    words = ["download", table, tmp_path / "killed", "--allow-private", "--timeout", "5", "--retries", "0"]
    command = [sys.executable, "-m", "trainer", *map(str, words)]
    journal = tmp_path / "killed" / "downloads.jsonl"
    for lines in (200, 500):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < lines):
                time.sleep(0.005)
            assert process.poll() is None, "it ended before it was killed"
            os.kill(process.pid, signal.SIGKILL)
    with open(journal, "ab") as file:
        file.write(b'{"url": "http://127')  # a line that was being written
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert images(tmp_path / "killed") == images(tmp_path / "whole")
    facts = ("status", "reason", "path", "sha256")
    one, other = (
        {url: [fate.get(fact) for fact in facts] for url, fate in fates(tmp_path / name).items()}
        for name in ("whole", "killed")
    )
    assert one == other
