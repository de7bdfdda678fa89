"""Why an image was not kept."""

from __future__ import annotations

# Reason -> what it means, after a number of URLs.
REASONS = {
    "bad-url": "no http or https URL without a password",
    "private-address": "at an address that is not public",
    "unknown-host": "the name of the host is unknown",
    "no-connection": "no connection",
    "tls": "the certificate of the host is not valid",
    "proxy": "the proxy refused",
    "timeout": "not complete in time",
    "connection-lost": "the connection ended too early",
    "bad-response": "not HTTP",
    "redirects": "too many redirects",
    "http-status": "refused by the server",
    "too-large": "too many bytes",
    "not-an-image": "not an image",
    "undecodable": "damaged, or over a limit for images",
    "robots-txt": "forbidden by robots.txt",
    "x-robots-tag": "forbidden by X-Robots-Tag",
    "host-busy": "the host asked to come back later",
    "host-silent": "the host did not answer other requests",
}


class Failure(Exception):
    """An image that was not kept.

    Attributes:
        reason: A key of REASONS.
        detail: What happened exactly.
        temporary: Whether the same request may succeed later.
        wait_s: Seconds that the host asked to wait; None if it did not.
        http_status: Of the response; None if there was none.
    """

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        temporary: bool = False,
        wait_s: float | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.temporary = temporary
        self.wait_s = wait_s
        self.http_status = http_status
