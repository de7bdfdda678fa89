"""Permits to be inside: one for each slot, and one for each place in the queue."""

from __future__ import annotations

from service.web import record
from service.web.problem import Problem


class Permits:
    """A number of permits.

    taken  how many are in use
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0

    def take(self) -> Permit:
        """One permit; raises Problem 429 where none is left."""
        if self.taken >= self.count:
            record.current().rejected = "queue_full"
            raise Problem(429, "All places in the queue are taken; try again soon.", headers={"Retry-After": "1"})
        return Permit(self)


class Permit:
    """One of them, until it is given back; more than once is as good as once."""

    def __init__(self, permits: Permits) -> None:
        self._permits = permits
        self._permits.taken += 1
        self._held = True

    def give_back(self) -> None:
        """Let another request have it."""
        if self._held:
            self._permits.taken -= 1
            self._held = False
