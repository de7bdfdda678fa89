"""GET /metrics, for Prometheus."""

from __future__ import annotations

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from service.web.routes.operation import Operation, describe
from service.web.telemetry.ledger import Ledger

_HEADERS = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}


class MetricsText:
    """The handler."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @describe(Operation(summary="Metrics for Prometheus", answers={"text/plain": str}))
    async def get(self, _request: Request) -> Response:
        """Prometheus' text format, with every request that has ended."""
        self._ledger.tell()
        return Response(self._ledger.metrics.exposition(), headers=_HEADERS)
