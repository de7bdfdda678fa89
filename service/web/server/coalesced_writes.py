"""A transport that sends the head and the body of a response together."""

from __future__ import annotations

import asyncio
from typing import Any


class CoalescedWrites:
    """Wraps a transport: holds the first write until the second one, or until the event loop's next iteration.

    uvicorn writes the head and the body of a response one after the other, and uvloop sends each at once: that is two
    system calls, and wakes the client twice. Everything else is passed to the transport.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Like `asyncio.WriteTransport.write`."""
        if self._held:
            self._held += data
            self._send()
        elif data:
            self._held = data
            self._loop.call_soon(self._send)

    def close(self) -> None:
        """Like `asyncio.BaseTransport.close`; held data are sent first."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)
