"""Who may use the page: the browser that the token was given to, and only its own pages."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.problem import Problem
from service.ui import page_headers

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_OPENING_PATH = "/open"
_PUBLIC_PREFIX = "/assets/"
_SAME_ORIGIN = ("same-origin", "none")  # `none`: the address was typed
# After a redirect from the page of another site, which the private file is, a browser sends no SameSite=Strict cookie.
# It does after a page of our own went on.
_GO_ON = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>fieldguide</title>
<meta http-equiv="refresh" content="0;url=/"></head><body><p><a href="/">Open the page</a></p></body></html>
"""


class Access:
    """The token, which can be used once, and the cookie that it is exchanged for.

    Attributes:
        token: For the address that is opened.
    """

    def __init__(
        self,
        port: int,
        *,
        hosts: frozenset[str] | None = LOOPBACK_NAMES,
        is_encrypted: bool = False,
        on_used: Callable[[], None] = lambda: None,
    ) -> None:
        """Make both.

        Args:
            port: Of the server: the cookies of two servers on one machine have different names.
            hosts: Names that a request may give as its host; None: any, which is only safe with TLS.
            is_encrypted: Whether the server speaks TLS.
            on_used: Is called when the token was used.
        """
        self.token = secrets.token_urlsafe(32)
        self._cookie_name = f"fieldguide-clean-{port}"
        self._cookie = secrets.token_urlsafe(32)
        self._hosts = hosts
        self._is_encrypted = is_encrypted
        self._on_used = on_used
        self._is_used = False

    def open(self, request: Request) -> Response:
        """Exchange the token for the cookie; raises Problem 403 for a wrong one, or one that was used."""
        if request.method != "GET":  # what only looks at an address must not use it up
            raise Problem(405, "The address of the page is opened with GET.")
        given = request.query_params.get("token", "")
        if self.has_cookie(request.headers):
            return RedirectResponse("/", status_code=303)
        if not _is_equal(given, self.token):
            raise Problem(403, "This is not the address that fieldguide printed. Copy the whole address.")
        if self._is_used:
            raise Problem(403, "This address was used already: each opens the page once. Start the command again.")
        self._is_used = True
        self._on_used()
        is_from_elsewhere = request.headers.get("sec-fetch-site", "none") not in _SAME_ORIGIN
        response: Response = (
            HTMLResponse(_GO_ON, headers=page_headers())
            if is_from_elsewhere
            else RedirectResponse("/", status_code=303)
        )
        response.set_cookie(
            self._cookie_name, self._cookie, httponly=True, samesite="strict", secure=self._is_encrypted, path="/"
        )
        return response

    def check(self, scope: Scope) -> None:
        """Raise Problem 400 or 403 for a request that may not be answered."""
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            raise Problem(400, f"The Host {host[:50]!r} is not this machine. Open the address that fieldguide printed.")
        if scope["method"] not in ("GET", "HEAD"):
            self._check_origin(headers, host)
        if path == _OPENING_PATH or path.startswith(_PUBLIC_PREFIX):
            return
        if headers.get("sec-fetch-site", "none") not in _SAME_ORIGIN:
            raise Problem(403, "This request comes from the page of another site.")
        if not self.has_cookie(headers):
            raise Problem(
                403,
                "This browser has not opened the page with the address that fieldguide printed, or the command was "
                "started again since. Open the address that it printed last.",
            )

    def has_cookie(self, headers: Headers) -> bool:
        """Whether a request has the cookie."""
        found: SimpleCookie = SimpleCookie()
        try:
            found.load(headers.get("cookie", ""))
        except CookieError:
            return False
        cookie = found.get(self._cookie_name)
        return cookie is not None and _is_equal(cookie.value, self._cookie)

    def _check_origin(self, headers: Headers, host: str) -> None:
        """A page may only send something to the server that it came from: the browser says which page it is."""
        own = f"{'https' if self._is_encrypted else 'http'}://{host}"
        if headers.get("origin", "").lower() != own.lower():
            raise Problem(403, "This request comes from the page of another site.")
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Problem(403, "This request comes from the page of another site.")


class AccessMiddleware:
    """ASGI middleware that answers only requests that may be answered."""

    def __init__(self, app: ASGIApp, *, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; raises what `Access.check` does."""
        if scope["type"] == "http":
            self._access.check(scope)
        await self._app(scope, receive, send)


def _is_equal(given: str, expected: str) -> bool:
    """Compare in a time that does not depend on the texts."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _name(host: str) -> str:
    """The host without its port; an IPv6 address keeps its brackets."""
    end = host.rfind(":")
    return (host[:end] if end > host.rfind("]") else host).lower()
