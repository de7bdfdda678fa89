"""httpx's connections: each leads to an address that was looked up and checked, never to a name.

A look-up that is checked and a second one that is connected to may differ (DNS rebinding). Here the very address that
was checked is connected to, for each connection anew; TLS verifies the name nevertheless. A proxy is asked by CONNECT
for that address. Nothing is taken from the environment, except the certificates that OpenSSL trusts (SSL_CERT_FILE).
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import httpx

from trainer.collect.connection import Connection
from trainer.collect.failures import Failure
from trainer.collect.resolving import Resolve, SystemResolver, allowed_addresses
from trainer.collect.urls import has_host

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_IDLE = 32
_IDLE_S = 5.0
_CONNECT_S = 10.0  # for one address
_CLOSE_S = 2.0
_OK = range(200, 300)


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Network:
    """How hosts are reached.

    Attributes:
        resolve: Looks up names; None: as the system does.
        allow_private: Whether servers of one's own network are allowed.
        proxy: `http://host:port` or `http://user:password@host:port` of a proxy; empty: none.
    """

    resolve: Resolve | None = None
    allow_private: bool = False
    proxy: str = ""


class CheckedTransport(httpx.AsyncBaseTransport):
    """A transport that connects only to addresses that it checked.

    It raises `Failure`, not the errors of httpx. Its caller bounds the number of requests at a time.
    """

    def __init__(self, network: Network) -> None:
        """Take how hosts are reached.

        Raises:
            ValueError: The proxy cannot be used. The message does not repeat it: it may have a password.
        """
        self._network = network
        self._system = SystemResolver()
        self._resolve: Resolve = network.resolve or self._system
        self._proxy = _read_proxy(network.proxy)
        self._tls = httpx.create_ssl_context()
        self._idle: list[tuple[float, _Origin, Connection]] = []  # the one used last at the end
        self._open: set[Connection] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the response when its head is there.

        Raises:
            Failure: There is no response.
        """
        origin = _origin(request.url)
        message = _message(request, await request.aread())
        connection = self._take_idle(origin)
        if connection is not None:
            try:
                return await self._exchange(connection, origin, message)
            except Failure:
                if not connection.was_silent:
                    raise  # else the server had closed it before it got the request
        return await self._exchange(await self._connect(origin), origin, message)

    async def aclose(self) -> None:
        """Close every connection, and wait until all of them are."""
        self._idle.clear()
        for connection in list(self._open):
            connection.close()
        if self._open:
            await asyncio.wait([connection.lost for connection in self._open], timeout=_CLOSE_S)
        self._system.close()

    async def _exchange(self, connection: Connection, origin: _Origin, message: bytes) -> httpx.Response:
        try:
            await connection.send(message)
        except BaseException:
            connection.close()
            raise
        stream = _Body(self, origin, connection)
        return httpx.Response(connection.status, headers=connection.headers, stream=stream)

    # Connections

    def put_back(self, origin: _Origin, connection: Connection) -> None:
        """Keep a connection for the next request to the same origin, or close it if it cannot be used again."""
        if not connection.is_reusable:
            connection.close()
            return
        self._idle.append((time.monotonic(), origin, connection))
        if len(self._idle) > _MAX_IDLE:
            self._idle.pop(0)[2].close()

    def _take_idle(self, origin: _Origin) -> Connection | None:
        now = time.monotonic()
        while self._idle and now - self._idle[0][0] > _IDLE_S:
            self._idle.pop(0)[2].close()
        for index in range(len(self._idle) - 1, -1, -1):
            if self._idle[index][1] == origin:
                connection = self._idle.pop(index)[2]
                if connection.is_reusable:
                    return connection
                connection.close()
        return None

    async def _connect(self, origin: _Origin) -> Connection:
        """Connect to the first of the origin's addresses that answers."""
        failure = Failure("no-connection", f"{origin.host} cannot be reached", temporary=True)
        for address in await self._addresses(origin):
            try:
                async with asyncio.timeout(_CONNECT_S):
                    connection = await (self._tunnel if self._proxy else self._reach)(address, origin)
                self._open.add(connection)
                connection.lost.add_done_callback(partial(self._forget, connection))
                return connection
            except TimeoutError:
                failure = Failure("timeout", f"{address} did not answer in {_CONNECT_S:.0f} s", temporary=True)
            except ssl.SSLCertVerificationError as error:
                raise Failure("tls", f"{origin.host}: {error.verify_message}") from error
            except ssl.SSLError as error:
                raise Failure("tls", f"{origin.host}: {error.reason or error}") from error
            except OSError as error:
                failure = Failure("no-connection", f"{address}: {error.strerror or error}", temporary=True)
        raise failure

    def _forget(self, connection: Connection, _: asyncio.Future[None]) -> None:
        self._open.discard(connection)

    async def _addresses(self, origin: _Origin) -> list[str]:
        private = self._network.allow_private
        try:
            return await allowed_addresses(self._resolve, origin.host, origin.port, allow_private=private)
        except Failure as failure:
            if self._proxy and private and failure.reason == "unknown-host":
                return [origin.host]  # the proxy looks it up
            if self._proxy and failure.reason == "unknown-host":
                raise Failure(
                    failure.reason, f"{failure.detail}; a proxy gets addresses that were checked here, and no names"
                ) from failure
            raise

    async def _reach(self, address: str, origin: _Origin) -> Connection:
        secure = origin.scheme == "https"
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection,
            address,
            origin.port,
            ssl=self._tls if secure else None,
            server_hostname=origin.host if secure else None,
        )
        return connection

    async def _tunnel(self, address: str, origin: _Origin) -> Connection:
        """Connect to an address by way of the proxy."""
        assert self._proxy is not None
        loop = asyncio.get_running_loop()
        proxy = self._proxy
        try:
            transport, connection = await loop.create_connection(Connection, proxy.host, proxy.port)
        except OSError as error:
            detail = f"the proxy {proxy.host}:{proxy.port} cannot be reached ({error.strerror or error})"
            raise Failure("proxy", detail, temporary=True) from error
        target = f"[{address}]" if ":" in address else address
        head = f"CONNECT {target}:{origin.port} HTTP/1.1\r\nHost: {target}:{origin.port}\r\n{proxy.header}\r\n"
        try:
            await connection.send(head.encode("ascii"))
            if connection.status not in _OK:
                raise Failure("proxy", f"the proxy refused to connect to {address} ({connection.status})")
            tunnelled = Connection()
            if origin.scheme == "https":
                wrapped = await loop.start_tls(transport, tunnelled, self._tls, server_hostname=origin.host)
                assert wrapped is not None
                transport = wrapped
            else:
                transport.set_protocol(tunnelled)
            tunnelled.connection_made(transport)
            return tunnelled
        except BaseException:
            transport.abort()
            raise


class _Body(httpx.AsyncByteStream):
    """The body of a response; its connection is put back at the end."""

    def __init__(self, transport: CheckedTransport, origin: _Origin, connection: Connection) -> None:
        self._transport, self._origin, self._connection = transport, origin, connection
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._connection.body():
            yield chunk

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._transport.put_back(self._origin, self._connection)


class _Proxy(NamedTuple):
    host: str
    port: int
    header: str


def _read_proxy(text: str) -> _Proxy | None:
    if not text:
        return None
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme != "http" or not has_host(url):
        raise ValueError("the proxy must be given as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT")
    header = ""
    if url.userinfo:
        pair = base64.b64encode(f"{url.username}:{url.password}".encode()).decode("ascii")
        header = f"Proxy-Authorization: Basic {pair}\r\n"
    return _Proxy(host=url.raw_host.decode("ascii"), port=url.port or _DEFAULT_PORTS["http"], header=header)


def _origin(url: httpx.URL) -> _Origin:
    return _Origin(url.scheme, url.raw_host.decode("ascii"), url.port or _DEFAULT_PORTS[url.scheme])


def _message(request: httpx.Request, content: bytes) -> bytes:
    """The bytes of a request.

    Raises:
        ValueError: A header would end its line too early.
    """
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%s: %s" % (name, value) for name, value in request.headers.raw]
    if any(control in line for line in lines for control in b"\r\n\0"):
        raise ValueError("a header of a request has a line end in it")
    return b"\r\n".join([*lines, b"", content])
