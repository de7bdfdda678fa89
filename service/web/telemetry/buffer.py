"""Buffers the records of finished requests, and passes several at a time to the metrics, the traces and the log.

Between two requests inference evicts everything else from the processor's caches, so that the code of a request costs
several times what it costs when it has just run (`tests.benchmarks.service_load`, the rows without inference). Of
records that are processed together, only the first one pays for that.
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
_MAX_RECORDS = 16
_MAX_DELAY_S = 0.05


class RecordBuffer:
    """Passes records on after 50 ms, or as soon as there are 16.

    Attributes:
        metrics: Of the records that were passed on; `flush` brings them up to date.
    """

    def __init__(self, metrics: Metrics, spans: Spans | None = None) -> None:
        self.metrics = metrics
        self._spans = spans
        self._records: deque[tuple[Record, str]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, request: Record, *, traceparent: str) -> None:
        """Add a finished request. Call it on the event loop's thread.

        Args:
            request: Its record.
            traceparent: Its header of that name, "" if it has none.
        """
        self._records.append((request, traceparent))
        if len(self._records) >= _MAX_RECORDS:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_MAX_DELAY_S, self.flush)

    def flush(self) -> None:
        """Pass on every record. Call it on the event loop's thread, or after its end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._records:
            request, traceparent = self._records.popleft()
            self.metrics.count(request)
            if self._spans is not None:
                self._spans.export(request, traceparent)
            if _logger.isEnabledFor(logging.INFO):
                _logger.handle(Entry(request).log_record(_logger.name))
