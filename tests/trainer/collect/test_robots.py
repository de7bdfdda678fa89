from __future__ import annotations

import pytest

from trainer.collect.failures import Failure
from trainer.collect.robots import MAX_ROBOTS_BYTES, forbidding_tag, read_robots

URL = "http://example.org/photos/1.jpg"


@pytest.mark.parametrize(
    ("content", "allowed"),
    [
        (b"", True),
        (b"User-agent: *\nDisallow:\n", True),
        (b"User-agent: *\nDisallow: /\n", False),
        (b"User-agent: *\nDisallow: /photos\nAllow: /photos/1.jpg\n", True),
        (b"User-agent: *\nDisallow: /*.jpg$\n", False),
        (b"user-agent: FieldGuide\ndisallow: /\n", False),
        (b"User-agent: GPTBot\nDisallow: /\n", True),
        (b"<html>\xff\xfe not a robots.txt", True),
        (b"\xef\xbb\xbfUser-agent: *\nDisallow: /\n", False),
        (b"# x\n" * MAX_ROBOTS_BYTES + b"User-agent: *\nDisallow: /\n", True),  # what comes after 512 kB is not read
    ],
)
def test_rules(content: bytes, allowed: bool) -> None:
    assert read_robots(200, content).allows(URL) == allowed


@pytest.mark.parametrize("status", [401, 403, 404, 410, 418])
def test_without_rules_everything_is_allowed(status: int) -> None:
    assert read_robots(status, b"User-agent: *\nDisallow: /\n").allows(URL)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_rules_that_cannot_be_read_forbid_everything(status: int) -> None:
    with pytest.raises(Failure, match=f"status {status}") as caught:
        read_robots(status, b"")
    assert (caught.value.reason, caught.value.temporary) == ("robots-txt", True)


@pytest.mark.parametrize(("text", "seconds"), [("2", 2.0), ("0.5", 0.5), ("9999", 60.0), ("-1", 0.0), ("x", 0.0)])
def test_a_crawl_delay_is_bounded(text: str, seconds: float) -> None:
    assert read_robots(200, f"User-agent: *\nCrawl-delay: {text}\n".encode()).crawl_delay_s == seconds


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], ""),
        (["all"], ""),
        (["nofollow, nosnippet"], ""),
        (["noai"], "noai"),
        (["nofollow", "noimageai"], "noimageai"),
        (["NOINDEX, nofollow"], "noindex"),
        (["noml"], "noml"),
        (["noimageindex"], "noimageindex"),
        (["none"], "none"),
        (["googlebot: noindex"], ""),
        (["googlebot: nofollow, noindex"], ""),
        (["fieldguide: noai"], "noai"),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST"], ""),
        (["max-image-preview:none"], ""),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST, noai"], "noai"),
    ],
)
def test_tags(values: list[str], found: str) -> None:
    assert forbidding_tag(values) == found
