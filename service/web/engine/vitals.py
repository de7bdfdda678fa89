"""How the service is doing: what /livez and /readyz say."""

from __future__ import annotations

import time
from collections.abc import Callable

from service.web.problem import Problem

_FAILURES_IN_A_ROW = 5
_REST_S = 10.0


class Vitals:
    """Counts failures in a row, and slots lost to work that does not end.

    After five failures in a row the service says for ten seconds that it is not ready; so it does while it stops, and
    while every slot is lost. Where every slot has been lost for `stuck_s` seconds only a restart helps: it is not live.
    """

    def __init__(self, *, slots: int, stuck_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.stopping = False
        self.slots_lost = 0
        self.failures = 0
        self._slots = slots
        self._stuck_s = stuck_s
        self._clock = clock
        self._in_a_row = 0
        self._last_failure = 0.0
        self._all_lost_since: float | None = None

    def succeed(self) -> None:
        """An answer was given."""
        self._in_a_row = 0

    def fail(self) -> None:
        """A request was not answered, by our own fault."""
        self.failures += 1
        self._in_a_row += 1
        self._last_failure = self._clock()

    def lose_slot(self) -> None:
        """A thread did not come back in time."""
        self.slots_lost += 1
        if self.slots_lost == self._slots:
            self._all_lost_since = self._clock()

    def regain_slot(self) -> None:
        """It did come back."""
        self.slots_lost -= 1
        self._all_lost_since = None

    def check_live(self) -> None:
        """Raises Problem 503 where only a restart helps."""
        if self._all_lost_since is not None and self._clock() - self._all_lost_since >= self._stuck_s:
            raise Problem(503, "Every slot is lost to work that does not end.")

    def check_ready(self) -> None:
        """Raises Problem 503 where requests had better go elsewhere."""
        if self.stopping:
            raise _unready("The service is stopping.")
        if self._all_lost_since is not None:
            raise _unready("Every slot is lost to work that does not end.")
        if self._in_a_row >= _FAILURES_IN_A_ROW and self._clock() - self._last_failure < _REST_S:
            raise _unready(f"The last {self._in_a_row} requests failed.")


def _unready(detail: str) -> Problem:
    return Problem(503, detail, headers={"Retry-After": "5"})
