"""A contender that runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import httpx

from tests.benchmarks.environment import Environment
from tests.benchmarks.process import process_tree, processor_s, proportional_bytes
from tests.benchmarks.side_by_side.contender import Configuration

ROUTE = "/analyze"
_START_S, _STOP_S, _POLL_S = 300.0, 15.0, 0.01


class Server:
    """As a context manager: on entry it has answered a prediction, on exit it is gone with all that it started.

    ready_s  seconds from the start of the process to that answer
    """

    def __init__(
        self, configuration: Configuration, environment: Environment, *, model: Path, image: bytes, log: Path
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        places = {"port": self._port, "model": model}
        environ = {name: value.format(**places) for name, value in configuration.environ.items()}
        self._arguments = [argument.format(**places) for argument in configuration.arguments]
        self._environ = {**os.environ, "MODEL_DIR": str(model), **environ}
        self._program = environment.program(configuration.program)
        self._model, self._image, self._log = model, image, log
        self.ready_s = 0.0

    def __enter__(self) -> Server:
        with open(self._log, "wb") as log:
            begun = time.perf_counter()
            command = [str(self._program), *self._arguments]
            self._process = subprocess.Popen(command, cwd=self._model, env=self._environ, stdout=log, stderr=log)
        with self.client() as client:
            while self._process.poll() is None and time.perf_counter() - begun < _START_S:
                with suppress(httpx.TransportError):
                    if self.label(client, self._image):
                        self.ready_s = time.perf_counter() - begun
                        return self
                time.sleep(_POLL_S)
        self._stop()
        raise SystemExit(f"{self.log()}\nThe server above gave no answer.")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def client(self) -> httpx.Client:
        """For single requests."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=60)

    def log(self) -> str:
        """Its command, and the end of what it wrote."""
        return f"{self._program} {' '.join(self._arguments)}\n{self._log.read_text(errors='replace')[-5000:]}"

    def label(self, client: httpx.Client, image: bytes) -> str:
        """What it says of an image; empty where it does not answer with 200."""
        response = client.post(ROUTE, files={"file": ("photo.jpg", image)})
        return str(response.json()["result"]) if response.status_code == httpx.codes.OK else ""

    def memory_bytes(self) -> int:
        """Resident memory of all its processes together."""
        return proportional_bytes(process_tree(self._process.pid))

    def processor_s(self) -> float:
        """Processor time that all its processes took so far."""
        return processor_s(process_tree(self._process.pid))

    def _stop(self) -> None:
        """As Ctrl-C does; what is left after a while is killed."""
        with ExitStack() as stack:
            members = []
            for pid in process_tree(self._process.pid):
                with suppress(ProcessLookupError):
                    members.append(os.pidfd_open(pid))
                    stack.callback(os.close, members[-1])
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_S)
            for member in members:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(member, signal.SIGKILL)
        self._process.wait()
