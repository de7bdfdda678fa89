"""A server that the service is compared with, in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.load import Address


@contextlib.contextmanager
def reference_server(name: str, *arguments: Path) -> Iterator[Address]:
    """Run `bare` or `echo` until the block ends; yields its address."""
    command = [sys.executable, "-m", f"tests.benchmarks.service_load.servers.{name}", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        time.sleep(1)
        try:
            yield "127.0.0.1", port
        finally:
            process.terminate()
