"""What robots.txt (RFC 9309) and the header X-Robots-Tag say about an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from protego import Protego

from trainer.collect.agent import PRODUCT
from trainer.collect.failures import Failure

MAX_ROBOTS_BYTES = 512 * 1024  # RFC 9309 asks for at least 500 KiB
_OK = range(200, 300)
_UNAVAILABLE = range(400, 500)  # anything may be read
_BUSY = 429
_MAX_CRAWL_DELAY_S = 60.0
# Directives that ask not to be part of a collection of images.
_FORBIDDING = frozenset({"noai", "noimageai", "noindex", "noimageindex", "noml", "none"})


@dataclass(frozen=True, kw_only=True)
class RobotsRules:
    """The robots.txt of one origin.

    Attributes:
        rules: The parsed file; None: everything is allowed.
    """

    rules: Protego | None = None

    def allows(self, url: str) -> bool:
        """Whether a URL may be read."""
        return self.rules is None or bool(self.rules.can_fetch(url, PRODUCT))

    @property
    def crawl_delay_s(self) -> float:
        """Seconds that the origin wants between two requests, 60 at most."""
        delay = self.rules.crawl_delay(PRODUCT) if self.rules is not None else None
        return min(max(float(delay or 0), 0.0), _MAX_CRAWL_DELAY_S)


def read_robots(status: int, content: bytes) -> RobotsRules:
    """Read the response to a request for robots.txt.

    Args:
        status: Of the response.
        content: Its first bytes.

    Raises:
        Failure: The server has an error: RFC 9309 wants that as if everything was forbidden.
    """
    if status in _OK:
        return RobotsRules(rules=Protego.parse(content[:MAX_ROBOTS_BYTES].decode("utf-8-sig", errors="replace")))
    if status in _UNAVAILABLE and status != _BUSY:
        return RobotsRules()
    raise Failure("robots-txt", f"robots.txt cannot be read (status {status})", temporary=True, http_status=status)


def forbidding_tag(values: Iterable[str]) -> str:
    """Return the directive of the headers X-Robots-Tag that forbids to keep an image; empty if none does.

    Args:
        values: Of all such headers. `otherbot: noindex` is for other programs; `fieldguide: noai` is for this one.
    """
    for value in values:
        for_us = True
        for part in value.split(","):
            name, colon, directive = part.partition(":")
            if colon and name.strip().casefold() != "unavailable_after":
                for_us = name.strip().casefold() in (PRODUCT, "*")  # also for the directives after it
            elif not colon:
                directive = part
            if for_us and directive.strip().casefold() in _FORBIDDING:
                return directive.strip().casefold()
    return ""
