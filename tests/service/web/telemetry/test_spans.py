"""Traces, as an OpenTelemetry collector receives them."""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.web.telemetry.spans import Spans
from tests.support.bundles import make_image
from tests.support.server import RunningServer

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    received: list[bytes] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


def test_one_span_for_the_request_and_one_for_each_stage(bundle_path: Path, collector: tuple[str, list[bytes]]) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    url, received = collector
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
    with RunningServer(bundle_path, environ=environ) as server:
        headers = {"Content-Type": "image/png", "traceparent": f"00-{TRACE}-{PARENT}-01"}
        assert httpx.post(server.url + "/analyze", content=make_image(), headers=headers).status_code == 200
        assert server.stop() == 0  # what is left is sent at the end
    resources = [item for data in received for item in ExportTraceServiceRequest.FromString(data).resource_spans]
    spans = {span.name: span for item in resources for scope in item.scope_spans for span in scope.spans}
    assert set(spans) == {"POST /analyze", "receive", "queue", "parse", "decode", "infer", "encode"}
    request = spans.pop("POST /analyze")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    names = {attribute.key: attribute.value.string_value for attribute in resources[0].resource.attributes}
    assert names["service.name"] == "fieldguide"
    for span in spans.values():
        assert span.parent_span_id == request.span_id
        assert request.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= request.end_time_unix_nano


def test_no_spans_if_nothing_is_configured_or_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Spans.configured({}) is None
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert Spans.configured({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}) is None
