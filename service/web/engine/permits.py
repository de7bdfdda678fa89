"""Which requests are admitted: a permit for every request that brings an image, taken when its body has arrived.

As in imgproxy: there is one permit for each slot (worker thread) and each place in the queue, and a request gets one
at once or not at all. Then an admitted request waits for a slot. So the time that requests wait is bounded, and so is
the memory of the process (`service.memory`). Bodies that arrive have places of their own (`service.web.upload.places`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from service.problem import Problem
from service.web import record


class Permits:
    """A number of permits.

    Attributes:
        count: How many there are. It may be lowered before the service is ready.
        taken: How many are in use.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0

    def check(self) -> None:
        """Raise Problem 429 if none is left now, so that a body is not sent in vain."""
        if self.taken >= self.count:
            record.current().rejected = "queue_full"
            raise Problem(429, "The queue is full; try again soon.", headers={"Retry-After": "1"})

    @contextlib.contextmanager
    def take(self) -> Iterator[None]:
        """Hold a permit while the block runs; raises Problem 429 if none is left."""
        self.check()
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
