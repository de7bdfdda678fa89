"""The server of the page: uvicorn on one address, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from trainer.errors import CleanError

_STOP_S = 3  # for requests in progress
_BACKLOG = 128


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the page is served.

    Attributes:
        host: A name or an address of this machine.
        port: 0: any free one.
        allow_remote: Whether other machines may reach it; needs `certificate` and `key`.
        certificate: File of the TLS certificate.
        key: File of its key.
    """

    host: str = "127.0.0.1"
    port: int = 0
    allow_remote: bool = False
    certificate: Path | None = None
    key: Path | None = None

    @property
    def name(self) -> str:
        """The host as an address of the web has it: IPv6 in brackets."""
        host = self.host.strip("[]").lower()
        return f"[{host}]" if ":" in host else host

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    def check(self) -> None:
        """Raise CleanError if other machines could reach it without protection."""
        if (self.certificate is None) != (self.key is None):
            raise CleanError("`tls_cert` and `tls_key` belong together; give both files")
        for file in (self.certificate, self.key):
            if file is not None and not os.access(file, os.R_OK):
                raise CleanError(f"{file} cannot be read; give the files of a TLS certificate and its key, in PEM")
        if self.is_loopback:
            return
        if not self.allow_remote or self.certificate is None:
            raise CleanError(
                f"other machines could reach the page at {self.host}, so it needs `allow_remote`, `tls_cert` and "
                "`tls_key`; an SSH tunnel to this machine is simpler: ssh -L 8765:127.0.0.1:8765 HOST"
            )


def listen(address: Address) -> socket.socket:
    """Open the socket; raises CleanError if the address cannot be used."""
    host = address.host.strip("[]")
    try:
        family, _, _, _, where = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(where[:2], family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = "this is not a host name" if isinstance(error, UnicodeError) else _reason(error)
        raise CleanError(
            f"cannot listen on {address.host} port {address.port}: {reason}; give another `host`, or `port` 0 for any "
            "port that is free"
        ) from error


def _reason(error: OSError) -> str:
    """Why, without the address, which Python adds to some."""
    known = isinstance(error.errno, int) and error.errno > 0
    return os.strerror(error.errno) if known and error.errno else str(error.strerror)


def serve(app: ASGIApp, listener: socket.socket, address: Address, *, on_ready: Callable[[], None]) -> None:
    """Answer requests until SIGINT or SIGTERM; a second one ends the requests in progress.

    Args:
        app: The application.
        listener: Of `listen`.
        address: Names the TLS files.
        on_ready: Is called when requests are answered.

    Raises:
        CleanError: The TLS files cannot be used.
    """
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_STOP_S,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise CleanError(
            f"{address.certificate} and {address.key} are not a certificate and its key ({error})"
        ) from error
    server = _Server(config, on_ready=on_ready)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        server.run(sockets=[listener])
    else:
        _run_beside_a_loop(server, listener)


def _run_beside_a_loop(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run a server in a thread of its own until an interrupt: a notebook runs an event loop in this one."""
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page", daemon=True)
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        server.should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    """uvicorn's server; a signal ends it as it should, and is not raised again at the end."""

    def __init__(self, config: uvicorn.Config, *, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop. The signal is not kept: uvicorn would raise it again at the end."""
        del frame
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def url_of(listener: socket.socket, address: Address) -> str:
    """The address of the page, without the token."""
    scheme = "http" if address.certificate is None else "https"
    port = listener.getsockname()[1]
    name = address.name
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(name.strip("[]")).is_unspecified:
            name = socket.gethostname()
    return f"{scheme}://{name}:{port}"
