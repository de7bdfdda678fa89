"""Trusted hosts: whose name a request must give. Keeps foreign pages out that had their own name point here."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.problem import Problem


class Hosts:
    """ASGI layer; raises Problem 400.

    trusted  names, and `*.example.org` for every name under it
    exempt   paths that are asked for by address, as a watchdog does it
    """

    def __init__(self, app: ASGIApp, *, trusted: frozenset[str], exempt: frozenset[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in trusted if not name.startswith("*"))
        self._suffixes = tuple(name[1:].lower() for name in trusted if name.startswith("*."))
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the layers within, where the request names a trusted host."""
        if scope["type"] == "http" and scope["path"] not in self._exempt:
            name = _name(Headers(scope=scope).get("host", ""))
            if name not in self._names and not name.endswith(self._suffixes):
                raise Problem(400, f"The Host {name[:50]!r} is not one that is answered here.")
        await self._app(scope, receive, send)


def _name(host: str) -> str:
    """The host without its port; an IPv6 address keeps its brackets."""
    end = host.rfind(":")
    return (host[:end] if end > host.rfind("]") else host).lower()
