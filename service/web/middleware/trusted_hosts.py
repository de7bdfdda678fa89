"""Trusted hosts: the Host that a request must name. Protects from DNS rebinding by the pages of other sites."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.problem import Problem


class TrustedHostMiddleware:
    """ASGI middleware that requires a trusted host in the Host header."""

    def __init__(self, app: ASGIApp, *, trusted: frozenset[str], exempt: frozenset[str]) -> None:
        """Wrap an application.

        Args:
            app: The application.
            trusted: Host names, and `*.example.org` for every name under it.
            exempt: Paths that health probes request by address.
        """
        self._app = app
        self._names = frozenset(name.lower() for name in trusted if not name.startswith("*"))
        self._suffixes = tuple(name[1:].lower() for name in trusted if name.startswith("*."))
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; raises Problem 400 if its host is not trusted."""
        if scope["type"] == "http" and scope["path"] not in self._exempt:
            name = _name(Headers(scope=scope).get("host", ""))
            if name not in self._names and not name.endswith(self._suffixes):
                raise Problem(400, f"The Host {name[:50]!r} is not trusted here.")
        await self._app(scope, receive, send)


def _name(host: str) -> str:
    """Return the host without its port; an IPv6 address keeps its brackets."""
    end = host.rfind(":")
    return (host[:end] if end > host.rfind("]") else host).lower()
