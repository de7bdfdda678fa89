"""A transport that sends the head and the body of an answer together."""

from __future__ import annotations

import asyncio
from typing import Any


class JoinedWrites:
    """Holds what is written first until more is written, or the event loop comes round.

    uvicorn writes an answer's head and its body one after the other, and uvloop would send each at once: two system
    calls here, and a client that is woken twice. Everything else is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """As `asyncio.WriteTransport.write`."""
        if self._held:
            self._held += data
            self._send()
        elif data:
            self._held = data
            self._loop.call_soon(self._send)

    def close(self) -> None:
        """As `asyncio.BaseTransport.close`; what is held goes out first."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)
