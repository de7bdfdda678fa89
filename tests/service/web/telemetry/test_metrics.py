from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.predictor import Predictor
from service.settings import Settings
from service.web.app import create_app
from service.web.engine import Engine
from service.web.record import STAGES, Record
from service.web.telemetry.buffer import RecordBuffer
from service.web.telemetry.metrics import Metrics
from service.web.upload.places import UploadPlaces
from tests.service.web.telemetry.test_drift import METRICS
from tests.support.bundles import make_image, metrics_json, write_tiny_bundle
from tests.support.server import RunningServer, exchange

RAW = {"Content-Type": "image/png"}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[RunningServer]:
    replace = {"metrics.json": metrics_json(METRICS)}
    with RunningServer(write_tiny_bundle(tmp_path / "bundle", replace=replace), "--max-body-bytes", "9999") as server:
        yield server


def scrape(server: RunningServer) -> Samples:
    response = httpx.get(server.url + "/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name.removeprefix("fieldguide_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_requests_stages_and_drift(watched: RunningServer) -> None:
    for _ in range(3):
        assert httpx.post(watched.url + "/v1/predict", content=make_image(), headers=RAW).status_code == 200
    httpx.post(watched.url + "/analyze", content=b"nonsense", headers=RAW)
    httpx.post(watched.url + "/v1/predict", content=bytes(10_000), headers=RAW)
    httpx.get(watched.url + "/nothing/" + "x" * 50)
    exchange(watched, b"nonsense\r\n\r\n")
    found = scrape(watched)
    assert found["requests_total", (("route", "/v1/predict"), ("status", "200"))] == 3
    assert found["requests_total", (("route", "/analyze"), ("status", "415"))] == 1
    assert found["requests_total", (("route", "none"), ("status", "404"))] == 1
    assert found["request_seconds_count", (("route", "/v1/predict"),)] == 4
    for stage in ("queue", "parse", "decode"):
        assert found["stage_seconds_count", (("stage", stage),)] == 4
    for stage in ("infer",):
        assert found["stage_seconds_count", (("stage", stage),)] == 3
    assert found["rejected_total", (("cause", "body_large"),)] == 1
    assert found["rejected_total", (("cause", "malformed"),)] == 1
    assert found["rejected_total", (("cause", "queue_full"),)] == 0
    assert found["in_flight", ()] == found["queue_depth", ()] == found["slots_lost", ()] == 0
    assert found["permits", ()] == 5 * found["slots", ()]
    assert found["drift_answers", ()] == 3
    assert found["drift_psi", (("of", "class"),)] > 0
    assert found["drift_psi_by_chance", (("of", "confidence"),)] > 0
    assert found["process_open_fds", ()] > 0
    (digest,) = [dict(labels)["digest"] for name, labels in found if name == "model_info"]
    assert digest == httpx.get(watched.url + "/v1/model").json()["digest"]


def test_a_rejected_request_counts_for_its_route(predictor: Predictor) -> None:
    engine = Engine(threads=1, predictor=predictor)
    buffer = RecordBuffer(Metrics(engine, UploadPlaces(1)))
    engine.permits.taken = engine.permits.count

    async def ask() -> None:
        transport = httpx.ASGITransport(create_app(engine, Settings(), buffer=buffer))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.post("/analyze", content=make_image(), headers=RAW)).status_code == 429
            assert (await client.post("/livez")).status_code == 405
            assert (await client.post("/nothing")).status_code == 404

    asyncio.run(ask())
    engine.close()
    buffer.flush()
    text = buffer.metrics.exposition().decode()
    assert 'fieldguide_requests_total{route="/analyze",status="429"} 1.0' in text
    assert 'fieldguide_requests_total{route="/livez",status="405"} 1.0' in text
    assert 'fieldguide_requests_total{route="none",status="404"} 1.0' in text


def test_a_stage_may_end_while_its_request_is_counted(predictor: Predictor) -> None:
    """Cancelled work continues, and still adds stages to its record."""
    metrics = Metrics(Engine(threads=1, predictor=predictor), UploadPlaces(1))
    request = Record(id="1", method="POST", path="/analyze")
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            for stage in STAGES:
                request.lap(stage)
            request.stages_ms.clear()

    thread = threading.Thread(target=work)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        for _ in range(3000):
            metrics.count(request)
    finally:
        sys.setswitchinterval(interval)
        done.set()
        thread.join()


def test_label_values_do_not_come_from_clients(server: RunningServer, client: httpx.Client) -> None:
    for number in range(50):
        client.get(f"/{number}")
        client.request(f"METHOD{number}", "/livez")
    routes = {dict(labels).get("route", "none") for name, labels in scrape(server) if name == "requests_total"}
    paths = client.get("/openapi.json").json()["paths"]
    assert {re.sub(":path}", "}", route) for route in routes} <= {*paths, "none", "/openapi.json"} | {
        route for route in routes if route.startswith("/page/") or route in ("/", "/docs")
    }


def test_no_drift_without_a_reference(server: RunningServer) -> None:
    assert not [name for name, _ in scrape(server) if name.startswith("drift")]


def test_server_timing(client: httpx.Client) -> None:
    def stages(response: httpx.Response) -> dict[str, float]:
        items = [item.split(";dur=") for item in response.headers["server-timing"].split(", ")]
        return {name: float(duration) for name, duration in items}

    found = stages(client.post("/v1/predict", content=make_image(), headers=RAW))
    assert list(found) == ["receive", "queue", "parse", "decode", "infer", "encode", "total"]
    total = found.pop("total")
    assert sum(found.values()) <= total + 0.1
    seen = stages(client.post("/v1/predict?return=input", content=make_image(), headers=RAW))
    assert list(seen) == ["receive", "queue", "parse", "decode", "encode", "total"]
    assert list(stages(client.get("/livez"))) == ["total"]
    assert list(stages(client.post("/v1/predict", content=b"x", headers=RAW)))[-2:] == ["encode", "total"]
