"""A container engine with the command line of Docker, and the containers that it runs."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

PORT = 8000
_READY_S = 60.0
_LOOK_EVERY_S = 1.0
_INSIDE = Path(__file__).with_name("inside.py")


class NotReady(Exception):
    """The container did not become ready. The message has the end of its log."""


class Engine:
    """docker, or podman."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the engine of the environment, as run.sh sets it.

        Args:
            environ: CT_COMMAND (how the engine is called), CT_TAG (the image), CT_RUN_OPTIONS (for every container),
                CT_ADDRESS (where a container listens; if empty, its port is published on this machine).
        """
        self._command = shlex.split(environ["CT_COMMAND"])
        self._options = shlex.split(environ.get("CT_RUN_OPTIONS", ""))
        self._others = [word for word in self._options if not word.startswith("--network=")]
        self._tag = environ["CT_TAG"]
        self._address = environ.get("CT_ADDRESS", "")

    def call(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the engine; its exit code is the caller's to look at."""
        command = [*self._command, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=300, check=False)

    def shell(self, command: str) -> int:
        """Run a shell command in a container of its own; returns its exit code."""
        return self.call(
            "run", "--rm", "--network=none", "--entrypoint=sh", *self._others, self._tag, "-c", command
        ).returncode

    @contextlib.contextmanager
    def files(self) -> Iterator[IO[bytes]]:
        """Give the archive of all files of the image."""
        container = self.call("create", self._tag).stdout.strip()
        with subprocess.Popen([*self._command, "export", container], stdout=subprocess.PIPE) as process:
            assert process.stdout
            try:
                yield process.stdout
            finally:
                process.stdout.close()
        self.call("rm", "--force", container)

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        """Return what the engine knows of an image or a container."""
        done = self.call(kind, "inspect", name)
        if done.returncode:
            raise RuntimeError(done.stderr)
        found: dict[str, Any] = json.loads(done.stdout)[0]
        return found

    def image_config(self) -> dict[str, Any]:
        """Return the image's Config: User, Entrypoint, Healthcheck ..."""
        image = self.inspect("image", self._tag)
        config: dict[str, Any] = image["Config"]
        healthcheck = config.get("Healthcheck") or image.get("Healthcheck")  # podman has it beside Config
        return {**config, "Healthcheck": healthcheck}

    @contextlib.contextmanager
    def run(self, options: Sequence[str], *, network: bool = True) -> Iterator[Container]:
        """Start a container, and remove it at the end.

        Args:
            options: Options of `run`.
            network: Whether it has a network.
        """
        published = [] if self._address else ["--publish", f"127.0.0.1::{PORT}"]
        with_network = [*self._options, *published]
        without = [*self._others, "--network=none"]
        done = self.call("run", "--detach", *(with_network if network else without), *options, self._tag)
        if done.returncode:
            raise RuntimeError(done.stderr)
        container = Container(self, done.stdout.strip())
        try:
            if network:
                container.address = self._address or self.call("port", container.id, str(PORT)).stdout.split()[0]
            yield container
        finally:
            self.call("rm", "--force", container.id)


class Container:
    """One container.

    Attributes:
        id: Its identifier.
        address: Host and port of the service; empty without a network.
    """

    def __init__(self, engine: Engine, identifier: str) -> None:
        self.id = identifier
        self.address = ""
        self._engine = engine

    @property
    def url(self) -> str:
        """Where the service answers."""
        return f"http://{self.address}"

    def wait_until_ready(self) -> float:
        """Wait until /readyz is 200; returns after how many seconds. Raises NotReady."""
        start = looked = time.monotonic()
        while time.monotonic() - start < _READY_S:
            if self._is_ready():
                return time.monotonic() - start
            if time.monotonic() - looked > _LOOK_EVERY_S:  # the engine takes long to answer
                if not self.state()["Running"]:
                    break
                looked = time.monotonic()
            time.sleep(0.02)
        raise NotReady(f"exit code {self.state()['ExitCode']}: {self.log()[-2000:]}")

    def execute(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in the container."""
        return self._engine.call("exec", "--interactive", self.id, *command, stdin=stdin)

    def look_inside(self, *arguments: str) -> dict[str, Any]:
        """Run inside.py in the container, and return what it printed."""
        done = self.execute("python", "-", *arguments, stdin=_INSIDE.read_text(encoding="utf-8"))
        if done.returncode:
            raise RuntimeError(done.stderr)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def state(self) -> dict[str, Any]:
        """Return the engine's view: Running, ExitCode, OOMKilled ..."""
        state: dict[str, Any] = self._engine.inspect("container", self.id)["State"]
        return state

    def log(self) -> str:
        """Return what the service printed."""
        done = self._engine.call("logs", self.id)
        return done.stdout + done.stderr

    def stop(self) -> int:
        """Send SIGTERM, wait for the end, and return the exit code."""
        self._engine.call("stop", "-t", "15", self.id)
        code: int = self.state()["ExitCode"]
        return code

    def wait(self) -> int:
        """Wait until it ends by itself, and return the exit code."""
        return int(self._engine.call("wait", self.id).stdout)

    def _is_ready(self) -> bool:
        if not self.address:
            return self.execute("python", "-", "ready", stdin=_INSIDE.read_text(encoding="utf-8")).returncode == 0
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:  # also 503, which is an HTTPError
            return False
