"""OpenTelemetry traces of requests, if the extra `otel` is installed and an endpoint is configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from service.web.record import Record

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Spans:
    """Exports the spans of finished requests: one for the request, under the caller's span, and one for each stage."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("fieldguide")

    @classmethod
    def configured(cls, environ: Mapping[str, str]) -> Spans | None:
        """Configure it from OpenTelemetry's variables; None without an endpoint or if the extra is not installed."""
        if not any(environ.get(name) for name in _ENDPOINTS):
            return None
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            return None
        # The name in OTEL_SERVICE_NAME takes precedence.
        attributes = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": "fieldguide"}
        provider = TracerProvider(resource=Resource.create(attributes))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def export(self, request: Record, traceparent: str) -> None:
        """Export the spans of a finished request; another thread sends them."""
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "http.route": request.route,
            "http.response.status_code": request.status,
            "http.request.body.size": request.body_bytes,
            "fieldguide.request_id": request.id,
        }
        name = f"{request.method} {request.route}".rstrip()
        span = self._tracer.start_span(
            name, context, kind=SpanKind.SERVER, attributes=attributes, start_time=request.started_ns
        )
        if request.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        parent, start_ns = set_span_in_context(span), request.started_ns
        for stage, duration_ms in tuple(request.stages_ms.items()):  # cancelled work may still add to them
            end_ns = start_ns + int(1e6 * duration_ms)
            self._tracer.start_span(stage, parent, start_time=start_ns).end(end_ns)
            start_ns = end_ns
        span.end(request.started_ns + int(1e6 * request.total_ms))

    def close(self) -> None:
        """Send the spans that are left."""
        self._provider.shutdown()
