from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from service.predictor import Predictor
from service.web.engine import Engine
from service.web.record import Record
from service.web.telemetry.buffer import RecordBuffer
from service.web.telemetry.logs import Entry
from service.web.telemetry.metrics import Metrics
from service.web.upload.places import UploadPlaces
from tests.support.server import RunningServer


@pytest.fixture
def engine(predictor: Predictor) -> Iterator[Engine]:
    engine = Engine(threads=1, predictor=predictor)
    yield engine
    engine.close()


def ended(number: int) -> Record:
    request = Record(id=str(number), method="GET", path="/livez", route="/livez", status=200)
    request.finish()
    return request


def logged_ids(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.msg.fields()["id"] for record in caplog.records if isinstance(record.msg, Entry)]


def test_a_few_records_are_passed_on_together_and_soon(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    buffer = RecordBuffer(Metrics(engine, UploadPlaces(1)))

    async def run() -> None:
        for number in range(3):
            buffer.add(ended(number), traceparent="")
        assert logged_ids(caplog) == []
        await asyncio.sleep(0.2)
        assert logged_ids(caplog) == ["0", "1", "2"]
        buffer.add(ended(3), traceparent="")
        await asyncio.sleep(0.2)

    asyncio.run(run())
    assert logged_ids(caplog) == ["0", "1", "2", "3"]
    assert b'requests_total{route="/livez",status="200"} 4.0' in buffer.metrics.exposition()


def test_many_records_do_not_wait(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    buffer = RecordBuffer(Metrics(engine, UploadPlaces(1)))

    async def run() -> None:
        for number in range(40):
            buffer.add(ended(number), traceparent="")

    asyncio.run(run())
    assert logged_ids(caplog) == [str(number) for number in range(32)]
    buffer.flush()
    buffer.flush()
    assert logged_ids(caplog) == [str(number) for number in range(40)]


def test_a_request_is_logged_with_its_own_time_and_duration(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    buffer = RecordBuffer(Metrics(engine, UploadPlaces(1)))
    now, request = time.time(), ended(0)

    async def run() -> None:
        buffer.add(request, traceparent="")

    asyncio.run(run())
    time.sleep(0.1)
    buffer.flush()
    (record,) = caplog.records
    assert now - 0.01 <= record.created < now + 0.05
    assert record.msecs == pytest.approx(1e3 * (record.created % 1))
    assert record.msg.fields()["ms"]["total"] < 50  # type: ignore[attr-defined]


def test_nothing_is_logged_below_the_log_level(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    buffer = RecordBuffer(Metrics(engine, UploadPlaces(1)))

    async def run() -> None:
        buffer.add(ended(0), traceparent="")

    asyncio.run(run())
    buffer.flush()
    assert logged_ids(caplog) == []
    assert b'requests_total{route="/livez",status="200"} 1.0' in buffer.metrics.exposition()


def test_a_scrape_counts_every_earlier_request(server: RunningServer, client: httpx.Client) -> None:
    def count() -> float:
        line = 'fieldguide_requests_total{route="/readyz",status="200"} '
        found = [text for text in client.get("/metrics").text.splitlines() if text.startswith(line)]
        return float(found[0].removeprefix(line)) if found else 0

    before = count()
    for number in range(1, 4):
        assert client.get("/readyz").status_code == 200
        assert count() == before + number


def test_the_last_requests_are_in_the_log_of_a_stopped_service(bundle_path: Path) -> None:
    with RunningServer(bundle_path) as own:
        for number in range(5):
            httpx.get(own.url + "/livez", headers={"X-Request-ID": f"last-{number}"})
        assert own.stop() == 0
        lines = own.log.splitlines()
    assert [number for number in range(5) if any(line.endswith(f" last-{number}") for line in lines)] == [*range(5)]
    assert lines[-1].endswith("stopped")
    times = [datetime.fromisoformat(line[:23].replace(",", ".")) for line in lines]
    assert times == sorted(times)
