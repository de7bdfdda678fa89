"""OpenTelemetry: a trace of every request, where the extra `otel` is installed and an exporter is configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from service.web.record import Record

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Spans:
    """Sends spans after the fact: one a request, within the caller's own where it names one, and one a stage."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("fieldguide")

    @classmethod
    def configured(cls, environ: Mapping[str, str]) -> Spans | None:
        """As OpenTelemetry's own variables say; None where they name no endpoint, or the extra is not installed."""
        if not any(environ.get(name) for name in _ENDPOINTS):
            return None
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            return None
        # The name in OTEL_SERVICE_NAME wins over this one.
        named = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": "fieldguide"}
        provider = TracerProvider(resource=Resource.create(named))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def export(self, request: Record, traceparent: str) -> None:
        """Hand over the spans of a request that has ended; they are sent on another thread."""
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
            name, context, kind=SpanKind.SERVER, attributes=attributes, start_time=request.begun_ns
        )
        if request.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        within, start_ns = set_span_in_context(span), request.begun_ns
        for stage, duration_ms in tuple(request.stages_ms.items()):  # work that was given up may still add to them
            end_ns = start_ns + int(1e6 * duration_ms)
            self._tracer.start_span(stage, within, start_time=start_ns).end(end_ns)
            start_ns = end_ns
        span.end(request.begun_ns + int(1e6 * request.total_ms))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
