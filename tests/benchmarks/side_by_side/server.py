"""A server that runs."""

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
from tests.benchmarks.side_by_side.server_specs import Configuration

ROUTE = "/analyze"
_START_S = 300.0
_STOP_S = 15.0
_POLL_S = 0.01


class Server:
    """As a context manager: on entry it has sent a prediction, on exit all its processes have ended.

    Attributes:
        ready_s: Seconds from the start of the process to that prediction.
    """

    def __init__(
        self, configuration: Configuration, environment: Environment, *, model: Path, image: bytes, log: Path
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        values = {"port": self._port, "model": model}
        environ = {name: value.format(**values) for name, value in configuration.environ.items()}
        self._arguments = [argument.format(**values) for argument in configuration.arguments]
        self._environ = {**os.environ, "MODEL_DIR": str(model), **environ}
        self._program = environment.program(configuration.program)
        self._model, self._image, self._log = model, image, log
        self.ready_s = 0.0

    def __enter__(self) -> Server:
        with open(self._log, "wb") as log:
            start = time.perf_counter()
            command = [str(self._program), *self._arguments]
            self._process = subprocess.Popen(command, cwd=self._model, env=self._environ, stdout=log, stderr=log)
        with self.client() as client:
            while self._process.poll() is None and time.perf_counter() - start < _START_S:
                with suppress(httpx.TransportError):
                    if self.label(client, self._image):
                        self.ready_s = time.perf_counter() - start
                        return self
                time.sleep(_POLL_S)
        self._stop()
        raise SystemExit(f"{self.log()}\nThe server above sent no prediction.")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def client(self) -> httpx.Client:
        """For single requests."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=60)

    def log(self) -> str:
        """Its command, and the end of its output."""
        return f"{self._program} {' '.join(self._arguments)}\n{self._log.read_text(errors='replace')[-5000:]}"

    def label(self, client: httpx.Client, image: bytes) -> str:
        """The label that it predicts for an image; empty if the status is not 200."""
        response = client.post(ROUTE, files={"file": ("photo.jpg", image)})
        return str(response.json()["result"]) if response.status_code == httpx.codes.OK else ""

    def memory_bytes(self) -> int:
        """Return the resident memory of all its processes together."""
        return proportional_bytes(process_tree(self._process.pid))

    def processor_s(self) -> float:
        """Return the processor time of all its processes so far."""
        return processor_s(process_tree(self._process.pid))

    def _stop(self) -> None:
        """Stop it as Ctrl-C does; processes that are left after a while are killed."""
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
