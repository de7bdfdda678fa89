from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvloop

from service.memory import Footprint, ServingLimits, bytes_needed
from service.predictor import Predictor
from service.settings import Settings
from service.web.engine import Engine
from service.web.server import fitting
from service.web.server.fitting import Enforcers, fit_to_memory
from service.web.server.protocol import ConnectionLimits
from service.web.upload.upload import UploadLimits
from tests.benchmarks import load
from tests.benchmarks.memory import send_at_once
from tests.support.images import encode, flat
from tests.support.largest import largest_images
from tests.support.memory_limit import ControlGroup, memory_limit
from tests.support.problems import assert_problem
from tests.support.server import RunningServer

MIB = 1024 * 1024
FOOTPRINT = Footprint(service_bytes=117_000_000, activations_bytes=7_300_000)
MAX_PIXELS = 50_000_000


@pytest.fixture
def enforcers() -> Iterator[Enforcers]:
    settings = Settings()
    engine = Engine(threads=2, queue_per_slot=settings.queue_per_slot)
    yield Enforcers(
        engine=engine,
        uploads=UploadLimits.of(settings),
        connections=ConnectionLimits(
            max_header_bytes=settings.max_header_bytes,
            max_headers=settings.max_headers,
            header_timeout_s=settings.header_timeout_s,
            max_connections=settings.max_connections,
            probe_connections=8,
            probe_paths=frozenset(),
        ),
    )
    engine.close()


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """In a control group of 512 MiB, with the footprint of the default network."""
    monkeypatch.setattr(fitting, "memory_limit_bytes", lambda: 512 * MIB)
    monkeypatch.setattr(fitting, "measure_footprint", lambda _predictor: FOOTPRINT)
    return monkeypatch


def test_without_a_limit_nothing_is_measured_or_changed(
    predictor: Predictor, enforcers: Enforcers, limited: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limited.setattr(fitting, "memory_limit_bytes", lambda: None)
    limited.delattr(fitting, "measure_footprint")
    before = enforcers.limits(predictor)
    fit_to_memory(predictor, enforcers=enforcers, settings=Settings())
    assert enforcers.limits(predictor) == before
    assert before == ServingLimits.of(Settings(), cores=2, max_pixels=MAX_PIXELS)
    assert not caplog.records


@pytest.mark.usefixtures("limited")
def test_limits_are_lowered_and_logged_in_one_line(
    predictor: Predictor, enforcers: Enforcers, caplog: pytest.LogCaptureFixture
) -> None:
    fit_to_memory(predictor, enforcers=enforcers, settings=Settings())
    after = enforcers.limits(predictor)
    assert bytes_needed(FOOTPRINT, after) <= 512 * MIB
    assert predictor.limits.max_pixels == after.max_pixels < MAX_PIXELS
    assert predictor.limits.max_side_ratio == 50
    (record,) = caplog.records
    message = record.getMessage()
    assert "the memory limit of 537 MB" in message
    assert "117 MB of it the service" in message
    assert f"max_pixels 50,000,000 -> {after.max_pixels:,}" in message
    assert "queue 8 -> 2" in message
    assert "although" not in message


@pytest.mark.usefixtures("limited")
def test_limits_that_were_set_are_lowered_too_and_the_log_says_so(
    predictor: Predictor, enforcers: Enforcers, caplog: pytest.LogCaptureFixture
) -> None:
    fit_to_memory(predictor, enforcers=enforcers, settings=Settings(max_pixels=MAX_PIXELS, queue_per_slot=5))
    (record,) = caplog.records
    assert re.search(r"max_pixels 50,000,000 -> [\d,]+ \(although it was set\)", record.getMessage())
    assert record.getMessage().count("although it was set") == 2


def test_what_fits_is_not_changed_or_logged(
    predictor: Predictor, enforcers: Enforcers, limited: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limited.setattr(fitting, "memory_limit_bytes", lambda: 4096 * MIB)
    before = enforcers.limits(predictor)
    fit_to_memory(predictor, enforcers=enforcers, settings=Settings())
    assert enforcers.limits(predictor) == before
    assert not caplog.records


def test_too_little_memory_is_served_with_the_smallest_limits_and_a_warning(
    predictor: Predictor, enforcers: Enforcers, limited: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limited.setattr(fitting, "memory_limit_bytes", lambda: 64 * MIB)
    fit_to_memory(predictor, enforcers=enforcers, settings=Settings())
    after = enforcers.limits(predictor)
    assert (after.slots, after.queue, after.max_body_bytes, after.max_pixels) == (1, 0, MIB, 1_000_000)
    warning, change = (record.getMessage() for record in caplog.records)
    assert "the memory limit of 67 MB is too small" in warning
    assert f"give it at least {bytes_needed(FOOTPRINT, after) / 1e6:,.0f} MB" in warning
    assert "limits lowered" in change


def test_a_service_under_a_real_limit_shows_and_keeps_the_lowered_limits(bundle_path: Path) -> None:
    """Its largest images, sent several at once, are answered or refused; the service is never killed."""
    flags = ("--threads", "2", "--max-body-bytes", "20000000")
    with memory_limit() as limit:
        if not isinstance(limit, ControlGroup):
            pytest.skip("this machine lets us make no control group that limits memory")
        limit.set(0, resident_bytes=0, most_bytes=224 * MIB)
        with RunningServer(bundle_path, *flags, within=limit.within) as server:
            shown = httpx.get(server.url + "/v1/model").json()["limits"]
            most, longest = shown["max_pixels"], shown["max_body_bytes"]
            assert 1_000_000 <= most < MAX_PIXELS
            assert f"-> {most:,}" in server.log
            assert f"max_body_bytes 20,000,000 -> {longest:,} (although it was set)" in server.log
            permits = int(re.search(r"^fieldguide_permits (\d+)", httpx.get(server.url + "/metrics").text, re.M)[1])  # type: ignore[index]
            refused = httpx.post(
                server.url + "/analyze", files={"file": encode(flat("L", 0, (most // 1000 + 1, 1000)))}
            )
            assert f"more than the {most:,} pixels" in assert_problem(refused, 422)
            assert f"limit of {longest:,} bytes" in assert_problem(
                httpx.post(server.url + "/analyze", content=bytes(longest + 1), headers={"Content-Type": "image/png"}),
                413,
            )
            for kind, image in largest_images(most):
                request = load.multipart_request("/v1/predict", image.ljust(longest - 200, b"\0"))
                statuses = Counter(uvloop.run(send_at_once(server.address, [request] * (permits + 3))))
                assert statuses.keys() <= {200, 429}, kind
                assert statuses[200] >= permits, kind
            assert limit.times_exceeded() == 0
