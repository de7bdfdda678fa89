"""The name of a host -> the addresses of it that may be connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from trainer.collect.addresses import why_refused
from trainer.collect.failures import Failure

# (name, port) -> its addresses; raises OSError if there are none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_LOOKUP_THREADS = 32
_TRY_AGAIN = (socket.EAI_AGAIN, socket.EAI_MEMORY, socket.EAI_SYSTEM)


class SystemResolver:
    """The look-up of the system, in threads of its own: a slow name server delays no other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Look up a name. Addresses in any spelling (2130706433, 0x7f.1) give the address that they stand for."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _look_up, host, port)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def allowed_addresses(resolve: Resolve, host: str, port: int, *, allow_private: bool) -> list[str]:
    """Look up a name, and leave out the addresses that are not connected to.

    Returns:
        At least one address, in the order of the look-up. Connect to these, and not to the name: a second look-up may
        give others.

    Raises:
        Failure: There is no such name, or none of its addresses may be connected to.
    """
    try:
        addresses = await resolve(host, port)
    except socket.gaierror as error:
        temporary = error.errno in _TRY_AGAIN
        raise Failure("unknown-host", f"{host}: {error.strerror}", temporary=temporary) from error
    except (OSError, UnicodeError) as error:
        raise Failure("unknown-host", f"{host} cannot be looked up ({error})") from error
    refused = {address: why_refused(address, allow_private=allow_private) for address in addresses}
    allowed = [address for address, reason in refused.items() if not reason]
    if allowed:
        return allowed
    if not refused:
        raise Failure("unknown-host", f"{host} has no address")
    address, reason = next(iter(refused.items()))
    shown = "" if address == host else f" has the address {address}, which"
    raise Failure("private-address", f"{host}{shown} is not public ({reason})")
