"""The health of the service, as /livez and /readyz report it."""

from __future__ import annotations

import time
from collections.abc import Callable

from service.problem import Problem

_MAX_CONSECUTIVE_FAILURES = 5
_PAUSE_S = 10.0


class HealthMonitor:
    """Counts consecutive failures, and slots lost to work that does not return.

    After five consecutive failures the service is not ready for ten seconds. It is not ready either while it stops, or
    while every slot is lost. If every slot has been lost for `stuck_s` seconds, only a restart helps: it is not live.

    Attributes:
        slots: How many slots there are.
        stopping: Whether the service is stopping.
        slots_lost: How many slots are lost now.
        failures: How many requests have failed by the service's own fault.
    """

    def __init__(self, *, slots: int, stuck_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.slots = slots
        self.stopping = False
        self.slots_lost = 0
        self.failures = 0
        self._stuck_s = stuck_s
        self._clock = clock
        self._consecutive_failures = 0
        self._last_failure = 0.0
        self._all_lost_since: float | None = None

    def record_success(self) -> None:
        """Note that a request succeeded, or failed by its own fault."""
        self._consecutive_failures = 0

    def record_failure(self) -> None:
        """Note that a request failed by the service's own fault."""
        self.failures += 1
        self._consecutive_failures += 1
        self._last_failure = self._clock()

    def lose_slot(self) -> None:
        """Note that a thread did not return in time."""
        self.slots_lost += 1
        if self.slots_lost == self.slots:
            self._all_lost_since = self._clock()

    def regain_slot(self) -> None:
        """Note that such a thread has returned."""
        self.slots_lost -= 1
        self._all_lost_since = None

    def check_live(self) -> None:
        """Raise Problem 503 if only a restart helps."""
        if self._all_lost_since is not None and self._clock() - self._all_lost_since >= self._stuck_s:
            raise Problem(503, "Every thread is stuck.")

    def check_ready(self) -> None:
        """Raise Problem 503 if requests should go elsewhere."""
        if self.stopping:
            raise _not_ready("The service is stopping.")
        if self._all_lost_since is not None:
            raise _not_ready("Every thread is stuck.")
        if self._consecutive_failures >= _MAX_CONSECUTIVE_FAILURES and self._clock() - self._last_failure < _PAUSE_S:
            raise _not_ready(f"The last {self._consecutive_failures} requests failed.")


def _not_ready(detail: str) -> Problem:
    return Problem(503, detail, headers={"Retry-After": "5"})
