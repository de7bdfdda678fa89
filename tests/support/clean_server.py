"""`fieldguide clean` in a process of its own, and a browser that has opened its page."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

_START_S = 60.0
_URL = re.compile(r"open ((https?://[^/]+)/open\?token=\S+)")


class RunningPage:
    """`python -m fieldguide clean ARGUMENTS --no-browser`, on any free port.

    As a context manager it is ready on entry and gone on exit. With `browser` the command opens one: say which one in
    the environment.

    Attributes:
        url: Of the page.
        address: What it printed: the same with the token.
        client: Has the cookie.
    """

    def __init__(
        self, *arguments: str | Path, browser: bool = False, environ: Mapping[str, str] | None = None, **client: Any
    ) -> None:
        self._log = tempfile.NamedTemporaryFile(mode="w+", suffix=".log")  # noqa: SIM115
        words = [*map(str, arguments), *([] if browser else ["--no-browser"])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fieldguide", "clean", *words],
            stdout=self._log,
            stderr=self._log,
            env=None if environ is None else dict(environ),
        )
        self._client_options = client
        self._opened = not browser

    def __enter__(self) -> RunningPage:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            found = _URL.search(self.log)
            if found:
                self.address, self.url = found[1], found[2]
                self.client = httpx.Client(
                    base_url=self.url, headers={"Origin": self.url}, timeout=60, **self._client_options
                )
                if self._opened:
                    assert self.client.get(self.address).status_code == 303
                return self
            time.sleep(0.01)
        self.stop(signal.SIGKILL)
        raise AssertionError(f"the page did not become ready:\n{self.log}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.client.close()
        self.stop()
        self._log.close()

    @property
    def log(self) -> str:
        """What it printed."""
        return Path(self._log.name).read_text()

    def get(self, path: str, **query: Any) -> Any:
        """What a GET answers."""
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def decide(self, *changes: dict[str, Any]) -> Any:
        """What an action answers."""
        answer = self.client.post("/api/edits", json={"edits": changes})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_for_queues(self, timeout_s: float = 60.0) -> Any:
        """State, once nothing is worked out any more."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            state = self.get("/api/state")
            if not any(queue["working"] for queue in state["queues"]):
                return state
            time.sleep(0.05)
        raise AssertionError("the queues were not worked out in time")

    def stop(self, sig: signal.Signals = signal.SIGINT) -> int:
        """Send a signal unless it has ended already, wait, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(timeout=30)
