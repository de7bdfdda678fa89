"""The addresses that the service listens on, and the URLs under which it can be reached there."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from service.settings import Settings

_BACKLOG = 2048
_ANY_IPV4, _ANY_IPV6 = "0.0.0.0", "::"  # noqa: S104  (:: takes IPv4 too)
_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
# Addresses for documentation (RFC 5737, RFC 3849): asking for the way to one sends nothing.
_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
# An address that a name has, and this machine has not: a host file may list ::1 where there is no IPv6.
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_MAX_TRIES = 20
_ADVICE = {
    errno.EADDRINUSE: "; stop what listens there, or choose another port with --port, 0 for any free one",
    errno.EACCES: "; choose a port of 1024 or higher with --port",
    errno.EADDRNOTAVAIL: "; name an address of this machine, 0.0.0.0 or :: for all of them",
}


class CannotListen(Exception):
    """The service cannot listen on an address. The message is one line."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """One address of a host.

    Attributes:
        host: The host as it was written.
        family: IPv4 or IPv6.
        name: The address itself.
        rest: What follows the port in an address of IPv6: flow and scope.
    """

    host: str
    family: socket.AddressFamily
    name: str
    rest: tuple[int, ...]


def listen(settings: Settings) -> list[socket.socket]:
    """Listen on every address of the settings, all with the same port.

    An address that this machine does not have is left out if its host has another one.

    Raises:
        CannotListen: An address is not available.
    """
    addresses = _addresses(settings)
    tries = 1 if settings.port else _MAX_TRIES  # a port that is free on one address may be taken on the next
    while True:
        tries -= 1
        with contextlib.ExitStack() as stack:
            try:
                listeners = _bind(addresses, settings.port, stack)
            except CannotListen:
                if tries and len(addresses) > 1:
                    continue
                raise
            stack.pop_all()
        for listener in listeners:
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1e3 * settings.send_timeout_s))
        return listeners


def urls(listeners: list[socket.socket]) -> tuple[str, ...]:
    """Return the URLs of all listeners; for every network of this machine those of itself and of its local network."""
    return tuple(dict.fromkeys(url for listener in listeners for url in _urls(listener)))


def _addresses(settings: Settings) -> list[Address]:
    """Return the addresses of all hosts, without those that another one covers."""
    found = {(each.family, each.name): each for host in settings.host.split(",") for each in _resolve(host, settings)}
    names = {name for _, name in found}
    if _ANY_IPV6 in names:
        return [each for each in found.values() if each.name == _ANY_IPV6]
    if _ANY_IPV4 in names:
        return [each for each in found.values() if each.name == _ANY_IPV4 or each.family != socket.AF_INET]
    return list(found.values())


def _resolve(host: str, settings: Settings) -> Iterator[Address]:
    name = host.removeprefix("[").removesuffix("]")
    if name == _ANY_IPV6 and not socket.has_dualstack_ipv6():
        name = _ANY_IPV4  # what was asked for, on a machine without IPv6
    try:
        infos = socket.getaddrinfo(name, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError as error:  # getaddrinfo encodes the name first
        raise _cannot_listen(host, settings.port, "this is not a valid host name") from error
    except OSError as error:
        advice = "; give the port with --port" if re.search(r"^[^:]*:\d+$", host) else ""
        raise _cannot_listen(host, settings.port, f"{error.strerror}{advice}") from error
    for family, _, _, _, (address, _, *rest) in infos:
        yield Address(host=host, family=family, name=str(address), rest=tuple(map(int, rest)))


def _bind(addresses: list[Address], port: int, stack: contextlib.ExitStack) -> list[socket.socket]:
    """Listen on the addresses, with the port of the first one if the port is 0; the stack closes what is open."""
    listeners: list[socket.socket] = []
    missing: dict[str, CannotListen] = {}
    bound: set[str] = set()
    for address in addresses:
        try:
            listener = socket.create_server(
                (address.name, port, *address.rest),
                family=address.family,
                backlog=_BACKLOG,
                dualstack_ipv6=address.name == _ANY_IPV6,
            )
        except OSError as error:
            reason = (
                os.strerror(error.errno) if error.errno else str(error)
            )  # create_server adds the address to its own
            failure = _cannot_listen(address.host, port, reason + _ADVICE.get(error.errno or 0, ""))
            if error.errno not in _NOT_HERE:
                raise failure from error
            missing[address.host] = failure
            continue
        listeners.append(stack.enter_context(listener))
        bound.add(address.host)
        port = listener.getsockname()[1]
    for host, failure in missing.items():
        if host not in bound:
            raise failure
    return listeners


def _cannot_listen(host: str, port: int, reason: str) -> CannotListen:
    return CannotListen(f"cannot listen on {host!r} port {port}: {reason}")


def _urls(listener: socket.socket) -> Iterator[str]:
    host, port = listener.getsockname()[:2]
    if host not in (_ANY_IPV4, _ANY_IPV6):
        yield _url(host, port)
        return
    families = (socket.AF_INET, socket.AF_INET6) if host == _ANY_IPV6 else (socket.AF_INET,)
    yield from (_url(_LOOPBACK[family], port) for family in families)
    yield from (_url(own, port) for family in families if (own := _own_address(family)) is not None)


def _own_address(family: socket.AddressFamily) -> str | None:
    """Return the address from which this machine would send to others; None if it would not."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((_ELSEWHERE[family], 9))
            address: str = asking.getsockname()[0]
            return address
    except OSError:
        return None


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
