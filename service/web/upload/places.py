"""Which bodies may arrive at the same time: their memory is reserved before they are read.

Slow clients take minutes. So they hold no permit (`service.web.engine.permits`) meanwhile, and no slot waits for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from service.memory import upload_bytes
from service.problem import Problem
from service.web import record


class UploadPlaces:
    """Memory for bodies that arrive.

    Attributes:
        max_bytes: How much there is. It may be lowered before the service is ready.
        taken_bytes: How much is reserved.
        count: How many bodies arrive.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.taken_bytes = 0
        self.count = 0

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
        try:
            yield
        finally:
            self.taken_bytes -= needed
            self.count -= 1
