"""Tells of requests that have ended, several at a time.

Between two requests the network has driven everything else out of the processor's caches, so that the code of a request
costs several times what it costs when it has just run (`tests.benchmarks.service_load`, the rows where nothing is
computed). Of those that are told together, only the first one pays that.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from service.web.record import Record
from service.web.telemetry.logs import Entry
from service.web.telemetry.metrics import Metrics
from service.web.telemetry.spans import Spans

_logger = logging.getLogger(__name__)
_MOST = 16
_WAIT_S = 0.05


class Ledger:
    """Hands what has ended to the metrics, the traces and the log: after 50 ms, or as soon as there are 16.

    metrics  as they are after `tell`
    """

    def __init__(self, metrics: Metrics, spans: Spans | None = None) -> None:
        self.metrics = metrics
        self._spans = spans
        self._ended: deque[tuple[Record, str]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, request: Record, *, traceparent: str) -> None:
        """Take in a request that has ended; `traceparent` as its header was. On the event loop's thread."""
        self._ended.append((request, traceparent))
        if len(self._ended) >= _MOST:
            self.tell()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WAIT_S, self.tell)

    def tell(self) -> None:
        """Tell of what was not told of yet. On the event loop's thread, or after its end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._ended:
            request, traceparent = self._ended.popleft()
            self.metrics.count(request)
            if self._spans is not None:
                self._spans.export(request, traceparent)
            if _logger.isEnabledFor(logging.INFO):
                _logger.handle(Entry(request).log_record(_logger.name))
