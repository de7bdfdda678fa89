"""A real server in its own process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

_START_S = 30.0
# On any port, without a grace after SIGTERM, with a log for people.
_QUICK = ("--port", "0", "--grace-s", "0", "--log-format", "text")


class RunningServer:
    """`python -m service serve BUNDLE FLAGS...`, on a free port.

    As a context manager it is ready on entry and gone on exit. Another `module` than `service` has its command line;
    `within` is a command that runs it in another environment; `awaited` stands before its address in the log. Without
    `bundle` the environment names one.
    """

    def __init__(
        self,
        bundle: Path | None,
        *flags: str,
        environ: Mapping[str, str] | None = None,
        module: str = "service",
        within: Sequence[str] = (),
        awaited: str = "ready on",
    ) -> None:
        self._awaited = awaited
        self._log = tempfile.NamedTemporaryFile(mode="w+", suffix=".log")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*within, sys.executable, "-m", module, "serve", *([str(bundle)] if bundle else []), *_QUICK, *flags],
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, **(environ or {})},
        )
        self.url = ""

    def __enter__(self) -> RunningServer:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(rf"{self._awaited} (http://[^\s\"]+)", self.log)
            if found:
                self.url = found[1]
                return self
            time.sleep(0.02)
        self.stop(signal.SIGKILL)
        raise AssertionError(f"the server did not become ready:\n{self.log}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self._log.close()

    @property
    def log(self) -> str:
        """Its output on stdout and stderr."""
        return Path(self._log.name).read_text()

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=10)

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal unless it has ended already, wait, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(timeout=20)


def upload(path: str, image: bytes, *headers: str) -> bytes:
    """Return a whole request with an image."""
    return upload_head(path, len(image), *headers) + image


def upload_head(path: str, length: int, *headers: str) -> bytes:
    """Return such a request without its body."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: image/png", f"Content-Length: {length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def run_serve(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m service serve ARGUMENTS...`, which must end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "service", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, **(environ or {})},
    )


def exchange(server: RunningServer, *pieces: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send raw bytes, then read one response: status, headers, body."""
    with server.connect() as connection:
        for piece in pieces:
            connection.sendall(piece)
        return read_response(connection)


def read_response(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one response that has a Content-Length: status, headers (lower case), body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += _receive(connection)
    return int(first.split()[1]), headers, body


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise AssertionError("the connection ended before the response did")
    return data
