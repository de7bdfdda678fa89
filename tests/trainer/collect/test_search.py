"""Searches against a local server with the shapes, limits and errors that the providers document."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.collecting import LOCAL, fates, images
from tests.support.misbehaving import image
from tests.support.photo_search import CLIENT_ID, CLIENT_SECRET, PhotoSearchServer
from trainer.collect.download import DownloadOptions
from trainer.collect.fetching import FetchOptions
from trainer.collect.jobs import search
from trainer.collect.photos import PhotoFilter
from trainer.collect.search import SearchOptions, SearchResult
from trainer.errors import CollectError
from trainer.progress import NoProgress


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PhotoSearchServer]:
    for name in ("FIELDGUIDE_OPENVERSE_CLIENT_ID", "FIELDGUIDE_OPENVERSE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with PhotoSearchServer() as running:
        yield running


def find(server: PhotoSearchServer, folder: Path, *queries: str, **options: Any) -> SearchResult:
    provider = options.setdefault("provider", "openverse")
    fetch = FetchOptions(timeout_s=5.0, network=LOCAL, contact="me@example.org")
    download = DownloadOptions(
        fetch=fetch, backoff_s=0.01, max_wait_s=options.pop("max_wait_s", 5.0), retry_failed=options.pop("retry", False)
    )
    chosen = SearchOptions(**{"count": 30, "api": getattr(server, provider, ""), "download": download, **options})
    return search(queries, folder, chosen, NoProgress())


def attribution(folder: Path) -> list[dict[str, str]]:
    with open(folder / "attribution.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class TestOpenverse:
    def test_each_query_is_a_folder(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        result = find(server, tmp_path, "grizzly bear", "teddy", count=25)
        assert dict(result.downloads.labels) == {"grizzly bear": 25, "teddy": 25}
        assert not result.remarks
        kept = images(tmp_path)
        assert {Path(path).parent.name for path in kept} == {"grizzly bear", "teddy"}
        assert set(kept.values()) == {image(number) for start in (0, 1000) for number in range(start, start + 25)}

    def test_what_is_asked(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        find(server, tmp_path, "grizzly  bear", count=30)
        assert server.parameters == [
            {"q": "grizzly bear", "page": page, "page_size": "20", "license_type": "commercial,modification"}
            for page in ("1", "2")
        ]
        assert {head["user-agent"].startswith("fieldguide/") for head in server.heads} == {True}

    @pytest.mark.parametrize(
        ("wanted", "asked"),
        [
            (PhotoFilter(licenses=("any",)), {}),
            (PhotoFilter(licenses=("cc0", "by")), {"license": "cc0,by"}),
            (PhotoFilter(licenses=("commercial",), size="large"), {"license_type": "commercial", "size": "large"}),
            (PhotoFilter(licenses=("any",), sources=("flickr", "nasa")), {"source": "flickr,nasa"}),
        ],
    )
    def test_filters(
        self, wanted: PhotoFilter, asked: dict[str, str], server: PhotoSearchServer, tmp_path: Path
    ) -> None:
        find(server, tmp_path, "bear", count=1, wanted=wanted)
        assert server.parameters == [{"q": "bear", "page": "1", "page_size": "20", **asked}]

    def test_attribution(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        result = find(server, tmp_path, "bear", count=5)
        rows = attribution(tmp_path)
        assert result.attributed == 5
        assert {row["path"] for row in rows} == set(images(tmp_path))
        row = next(row for row in rows if row["title"] == "Bear 3")
        assert row == {
            "path": fates(tmp_path)[server.url("image/3")]["path"],
            "title": "Bear 3",
            "creator": "Tim Sullivan",
            "license": "CC BY-SA 2.0",
            "license_url": "https://creativecommons.org/licenses/by-sa/2.0/",
            "source_page": "https://stocksnap.example/photo/3",
            "attribution": '"Bear 3" by Tim Sullivan is licensed under CC BY-SA 2.0.',
            "provider": "Openverse",
            "url": server.url("image/3"),
        }

    def test_the_thumbnail_is_taken_if_the_source_refuses(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        """But not if the photo is not to be collected; and robots.txt of the API itself is not about its thumbnails."""
        server.paths = {0: "status/403", 1: "text/1", 2: "tag/2/noai", 3: "redirect/-1/3"}
        server.robots = {"127.0.0.1": "User-agent: *\nDisallow: /\n"}
        find(server, tmp_path, "bear", count=10)
        found = fates(tmp_path)
        for number, path in server.paths.items():
            fate = found[server.url(path)]
            if number == 2:
                assert fate["reason"] == "x-robots-tag"
            else:
                assert fate["final_url"] == server.url(f"image/{500_000 + number}")
        assert server.url("tag/2/noai") not in {row["url"] for row in attribution(tmp_path)}
        assert len(attribution(tmp_path)) == 10

    def test_photos_that_fail_are_replaced_by_others(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.paths = {number: f"tag/{number}/noai" for number in range(15)}
        result = find(server, tmp_path, "bear", count=20)
        assert result.downloads.images == 20
        assert [given["page"] for given in server.parameters] == ["1", "2"]

    def test_two_hundred_and_forty_results_are_the_end(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.totals = {"bear": 5_000}
        server.paths = {number: f"tag/{number}/noai" for number in range(240)}
        result = find(server, tmp_path, "bear", count=2)
        assert len(server.parameters) == 12
        (remark,) = result.remarks
        assert remark.startswith("bear: 0 of 2 images. Openverse shows 240 results of a query at most.")
        assert f"`search('bear alaska', {str(tmp_path)!r}, label='bear', count=2)`" in remark

    def test_a_query_with_few_results(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.totals = {"bear": 7, "nothing": 0}
        result = find(server, tmp_path, "bear", "nothing", count=30)
        assert [remark.partition(". Search")[0] for remark in result.remarks] == [
            "bear: 7 of 30 images. Openverse found only 7 photos",
            "nothing: 0 of 30 images. Openverse found no photos",
        ]

    def test_variations_go_to_the_same_label(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.totals = {"bear": 7}
        find(server, tmp_path, "bear", count=30)
        result = find(server, tmp_path, "bear cub", "big bear", label="bear", count=30)
        assert dict(result.downloads.labels) == {"bear": 23}
        assert len(images(tmp_path)) == 30
        assert not result.remarks
        assert len(attribution(tmp_path)) == 30

    def test_a_label_that_has_enough_images(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        find(server, tmp_path, "bear", count=10)
        asked = len(server.parameters)
        result = find(server, tmp_path, "bear cub", label="bear", count=10)
        assert len(server.parameters) == asked
        assert result.remarks == ("bear: 10 images are there already; a larger `count` adds to them",)
        assert dict(result.images) == {"bear": 10}

    def test_a_photo_of_two_queries_is_kept_once(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.totals = {"bear": 3, "grizzly": 3}
        server.paths = {1000: "image/0"}
        result = find(server, tmp_path, "bear", "grizzly", count=3)
        assert result.downloads.several_labels == 1
        assert dict(result.downloads.labels) == {"bear": 3, "grizzly": 2}


class TestLimits:
    def test_what_was_answered_is_not_asked_again(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        find(server, tmp_path, "bear", count=30)
        asked = len(server.parameters)
        again = find(server, tmp_path, "bear", count=30)
        assert (again.downloads.came, again.downloads.there) == (0, 30)
        more = find(server, tmp_path, "bear", count=50)
        assert more.downloads.images == 50
        assert len(server.parameters) == asked + 1

    def test_the_daily_budget_ends_with_a_line_on_how_to_go_on(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.day = 2
        result = find(server, tmp_path, "bear", "teddy", count=50)
        assert result.downloads.images == 40
        (remark,) = result.remarks
        assert remark.startswith("Openverse allows no more requests for now: none of 200/day requests is left.")
        assert "goes on later; a key of Openverse (`credentials`) allows more" in remark
        assert len(server.parameters) == 2
        server.day = 200
        assert find(server, tmp_path, "bear", "teddy", count=50).downloads.images == 100

    def test_a_budget_that_is_spent_from_the_start(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.day = 0
        result = find(server, tmp_path, "bear")
        assert "it asks to wait 86000 s" in result.remarks[0]
        assert result.downloads.images == 0

    def test_the_budget_of_a_day_counts_earlier_commands(
        self, server: PhotoSearchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from trainer.collect import openverse
        from trainer.collect.api import Allowance

        monkeypatch.setattr(openverse, "_ANONYMOUS", Allowance(per_minute=20, per_day=3))
        find(server, tmp_path, "bear", count=40)
        result = find(server, tmp_path, "teddy", count=40)
        assert len(server.parameters) == 3
        assert "3 a day are allowed, the next one in 24.0 hours" in result.remarks[0]

    def test_no_minute_has_more_requests_than_allowed(self) -> None:
        from trainer.collect.api import Allowance, RequestWindow

        window = RequestWindow(Allowance(per_minute=20, per_day=200), ages_s=[50.0] * 5)
        for _ in range(15):
            assert window.seconds_to_wait() == 0
            window.count()
        assert 9 < window.seconds_to_wait() <= 10

    def test_headers_count_more_than_the_own_count(self) -> None:
        """Others may use the same address."""
        from trainer.collect.api import Allowance, RequestWindow

        window = RequestWindow(Allowance(per_minute=20))
        window.learn({"x-ratelimit-limit-anon_burst": "20/min", "x-ratelimit-available-anon_burst": "0"})
        assert 59 < window.seconds_to_wait() <= 60

    def test_it_waits_as_long_as_it_is_asked_to(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.answers = [
            (429, {"detail": "Request was throttled. Expected available in 1 second."}, ("Retry-After: 1",))
        ]
        started = time.monotonic()
        assert find(server, tmp_path, "bear").downloads.images == 30
        assert time.monotonic() - started > 1


class TestErrors:
    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_that_pass(self, status: int, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.answers = [(status, None, ())] * 3
        assert find(server, tmp_path, "bear").downloads.images == 30

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            ((500, {"detail": "Out of order."}, ()), "cannot be searched: it answers with status 500 (Out of order.)"),
            ((400, {"detail": {"q": ["Too odd."]}}, ()), 'does not take this search: status 400 ({"q": ["Too odd."]})'),
            ((403, {"detail": "Forbidden"}, ()), "does not take this search: status 403 (Forbidden)"),
            ((200, ["something else"], ()), "answers in a way that this version does not understand"),
            ((200, {"results": None, "page_count": 1, "result_count": 1}, ()), "does not understand"),
            ((302, {}, ("Location: http://10.0.0.1/",)), "does not take this search: status 302"),
        ],
    )
    def test_that_stay(self, answer: Any, message: str, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.answers = [answer] * 4
        result = find(server, tmp_path, "bear")
        assert message in result.failure
        assert result.downloads.images == 0

    def test_what_came_before_is_kept(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        find(server, tmp_path, "bear", count=20)
        server.answers = [(500, None, ())] * 4
        result = find(server, tmp_path, "bear", count=40)
        assert result.failure
        assert result.downloads.images == 20
        assert len(attribution(tmp_path)) == 20

    def test_results_without_what_is_needed_are_left_out(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        odd = [
            {},
            {"url": None, "license": "by"},
            {"url": server.url("image/5"), "license": "pdm", "tags": [None, 3, {}]},
        ]
        server.answers = [(200, {"results": odd, "page_count": 1, "result_count": 3}, ())]
        find(server, tmp_path, "bear")
        (row,) = attribution(tmp_path)
        assert row["license"] == "Public Domain Mark"
        assert row["attribution"] == "This photo is licensed under Public Domain Mark."

    @pytest.mark.parametrize(
        ("queries", "options", "message"),
        [
            ([], {}, "there is no query"),
            (["  "], {}, "a query must have words"),
            (["b" * 201], {}, "200 characters at most"),
            (["a/b"], {}, "the label 'a/b' has / in it"),
            (["train"], {}, "is that of a split"),
            (["bear"], {"provider": "other"}, "`provider` must be one of openverse, wikimedia"),
            (["bear"], {"api": "file:///etc/passwd"}, "`api`: not a URL of http or https"),
            (["bear"], {"count": 0}, "`count` must be at least 1"),
        ],
    )
    def test_wrong_use(
        self, queries: list[str], options: Any, message: str, server: PhotoSearchServer, tmp_path: Path
    ) -> None:
        with pytest.raises(CollectError, match=message):
            find(server, tmp_path / "photos", *queries, **{"api": server.openverse, **options})
        assert not (tmp_path / "photos").exists()

    @pytest.mark.parametrize("licenses", [(), ("commercial", "by"), ("any", "cc0"), ("free",)])
    def test_licences_that_do_not_exist(self, licenses: tuple[str, ...]) -> None:
        with pytest.raises(CollectError, match="`license` must be commercial, modification or both"):
            PhotoFilter(licenses=licenses)

    def test_a_journal_of_something_else(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        (tmp_path / "searches.jsonl").write_text('{"version": 1}\n{"odd": 1}\n')
        with pytest.raises(CollectError, match="this is not the journal of a search"):
            find(server, tmp_path, "bear")


class TestKey:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "key.json"
        path.write_text(json.dumps({"name": "me", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}))
        return path

    def test_gets_larger_pages_and_no_daily_budget(self, file: Path, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.day = server.minute = 0
        result = find(server, tmp_path / "photos", "bear", count=90, credentials=file)
        assert result.downloads.images == 90
        assert [given["page_size"] for given in server.parameters] == ["80", "80"]

    def test_that_comes_later_goes_on_where_the_search_was(
        self, file: Path, server: PhotoSearchServer, tmp_path: Path
    ) -> None:
        """The pages with a key are larger: no photo may be left out, or come twice."""
        find(server, tmp_path / "photos", "bear", count=20)
        assert find(server, tmp_path / "photos", "bear", count=100, credentials=file).downloads.images == 100
        asked = [(given["page"], given["page_size"]) for given in server.parameters]
        assert asked == [(str(number), "20") for number in range(1, 6)]

    def test_of_the_environment(
        self, server: PhotoSearchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FIELDGUIDE_OPENVERSE_CLIENT_ID", CLIENT_ID)
        with pytest.raises(CollectError, match="only one is set"):
            find(server, tmp_path / "photos", "bear")
        monkeypatch.setenv("FIELDGUIDE_OPENVERSE_CLIENT_SECRET", CLIENT_SECRET)
        server.day = 0
        assert find(server, tmp_path / "photos", "bear").downloads.images == 30

    def test_is_written_nowhere(self, file: Path, server: PhotoSearchServer, tmp_path: Path) -> None:
        find(server, tmp_path / "photos", "bear", count=5, credentials=file)
        for path in (tmp_path / "photos").rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert CLIENT_SECRET.encode() not in content
            assert server.token.encode() not in content
        from trainer.collect.openverse import read_credentials

        assert CLIENT_SECRET not in repr(read_credentials(file))

    def test_a_token_that_was_revoked_is_renewed(self, file: Path, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.answers = [(401, {"detail": "Authentication credentials were not provided."}, ())]
        assert find(server, tmp_path / "photos", "bear", credentials=file).downloads.images == 30

    def test_that_is_wrong(self, file: Path, server: PhotoSearchServer, tmp_path: Path) -> None:
        file.write_text(json.dumps({"client_id": CLIENT_ID, "client_secret": "wrong"}))
        result = find(server, tmp_path / "photos", "bear", credentials=file)
        assert "does not take the key (status 401)" in result.failure
        assert "wrong" not in result.failure

    @pytest.mark.parametrize("content", ["", "[]", '{"client_id": "x"}', '{"client_id": 1, "client_secret": 2}'])
    def test_in_a_file_that_has_none(self, content: str, server: PhotoSearchServer, tmp_path: Path) -> None:
        (tmp_path / "key.json").write_text(content)
        with pytest.raises(CollectError, match="client_id and client_secret"):
            find(server, tmp_path / "photos", "bear", credentials=tmp_path / "key.json")


class TestWikimedia:
    def find(self, server: PhotoSearchServer, folder: Path, *queries: str, **options: Any) -> SearchResult:
        return find(server, folder, *queries, provider="wikimedia", **options)

    def test_photos_with_their_attribution(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        """The best first, a smaller file of large ones, without licences that are not wanted, HTML as text."""
        result = self.find(server, tmp_path, "bear", count=60)
        assert result.downloads.images == 60
        rows = {row["title"]: row for row in attribution(tmp_path)}
        assert sorted(rows, key=lambda title: int(title.split()[1]))[:11] == [
            f"Bear {number}" for number in (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11)
        ]
        row = rows["Bear 1"]
        assert row["creator"] == "Ann & Bo"
        assert row["license"] == "CC BY-SA 4.0"
        assert row["source_page"] == "https://commons.wikimedia.org/wiki/File:1.jpg"
        assert row["attribution"].startswith('"Bear 1" by Ann & Bo is licensed under CC BY-SA 4.0. To view a copy')
        assert server.parameters[1]["gsroffset"] == "50"
        assert {given["maxlag"] for given in server.parameters} == {"5"}

    def test_any_licence(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        result = self.find(server, tmp_path, "bear", count=45, wanted=PhotoFilter(licenses=("any",), size="large"))
        assert result.downloads.images == 45
        assert len(server.parameters) == 1
        assert server.parameters[0]["gsrsearch"] == "bear filetype:bitmap fileres:>1600"

    def test_it_comes_back_when_the_servers_lag(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        lag = {"error": {"code": "maxlag", "info": "Waiting for 10.64.0.1: 6.2 seconds lagged.", "lag": 6.2}}
        server.answers = [(200, lag, ("Retry-After: 1",)), (200, {"error": {"code": "ratelimited", "info": "x"}}, ())]
        assert self.find(server, tmp_path, "bear", count=5).downloads.images == 5

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            ((200, {"error": {"code": "badvalue", "info": "Unrecognized value."}}, ()), "(Unrecognized value.)"),
            ((403, None, ()), "it wants a `contact`"),
            ((200, {"query": {"pages": [{"imageinfo": [{"mime": "image/png", "extmetadata": 3}]}]}}, ()), "understand"),
        ],
    )
    def test_errors(self, answer: Any, message: str, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.answers = [answer]
        assert message in self.find(server, tmp_path, "bear").failure

    def test_nothing_is_found(self, server: PhotoSearchServer, tmp_path: Path) -> None:
        server.totals = {"bear": 0}
        assert "found no photos" in self.find(server, tmp_path, "bear").remarks[0]


def test_kill_9_in_the_middle_of_a_search(server: PhotoSearchServer, tmp_path: Path) -> None:
    server.delay_s = 0.01
    words = [
        "search",
        tmp_path / "killed",
        "bear",
        "teddy",
        "--count",
        "60",
        "--api",
        server.openverse,
        "--allow-private",
    ]
    command = [sys.executable, "-m", "trainer", *map(str, words)]
    journal = tmp_path / "killed" / "downloads.jsonl"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 40):
            time.sleep(0.005)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    asked = len(server.parameters)
    assert find(server, tmp_path / "killed", "bear", "teddy", count=60).downloads.images == 120
    assert len(server.parameters) == asked
    find(server, tmp_path / "whole", "bear", "teddy", count=60)
    assert images(tmp_path / "killed") == images(tmp_path / "whole")
    assert attribution(tmp_path / "killed") == attribution(tmp_path / "whole")
