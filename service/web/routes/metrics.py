"""GET /metrics, for Prometheus."""

from __future__ import annotations

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from service.web.routes.endpoint import Operation, describe
from service.web.telemetry.buffer import RecordBuffer

_HEADERS = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}


class MetricsHandler:
    """The handler."""

    def __init__(self, buffer: RecordBuffer) -> None:
        self._buffer = buffer

    @describe(Operation(name="get_metrics", summary="Metrics for Prometheus", responses={"text/plain": str}))
    async def get(self, _request: Request) -> Response:
        """Return the metrics of every finished request, in Prometheus' text format."""
        self._buffer.flush()
        return Response(self._buffer.metrics.exposition(), headers=_HEADERS)
