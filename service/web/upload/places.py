"""Which bodies may arrive at the same time: their memory is reserved before they are read.

Slow clients take minutes. So they hold no permit (`service.web.engine.permits`) meanwhile, and no slot waits for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from service.memory import CALM_UPLOADS_BYTES, upload_bytes
from service.problem import Problem
from service.web import record


class UploadPlaces:
    """Memory for bodies that arrive.

    Attributes:
        max_bytes: How much there is. It may be lowered before the service is ready.
        taken_bytes: How much is reserved.
        count: How many bodies arrive.
        on_idle: Called when none arrives any more, if much was reserved: the allocator keeps what many small pieces
            took.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.taken_bytes = 0
        self.count = 0
        self.on_idle: Callable[[], None] = _nothing
        self._most_bytes = 0  # that was reserved since none arrived

    @contextlib.contextmanager
    def take(self, body_bytes: int) -> Iterator[None]:
        """Reserve memory for a body while the block runs; raises Problem 429 if there is too little.

        Args:
            body_bytes: The announced length of the body, or the longest that is accepted.
        """
        needed = upload_bytes(body_bytes)
        if self.count and self.taken_bytes + needed > self.max_bytes:
            record.current().rejected = "uploads_full"
            raise Problem(429, "Too many uploads at the same time; try again soon.", headers={"Retry-After": "1"})
        self.taken_bytes += needed
        self.count += 1
        self._most_bytes = max(self._most_bytes, self.taken_bytes)
        try:
            yield
        finally:
            self.taken_bytes -= needed
            self.count -= 1
            if not self.count and self._most_bytes > CALM_UPLOADS_BYTES:
                self._most_bytes = 0
                self.on_idle()


def _nothing() -> None:
    """Without an allocator that could be asked."""
