from __future__ import annotations

import pytest

from service.memory import Footprint, ServingLimits, bytes_needed, upload_bytes
from service.settings import Settings
from service.sizing.needs import GIB, Demand, Prices, Speed, size

FOOTPRINT = Footprint(service_bytes=117_000_000, activations_bytes=7_300_000)
# 10 photos a second for one core.
SPEED = Speed(decode_ms=80, infer_ms=10, megapixels=12, photo_bytes=3_000_000)
MAX_PIXELS = 50_000_000


def test_one_core_is_nine_tenths_of_decoding_and_inference() -> None:
    assert SPEED.photos_per_s == pytest.approx(10)


@pytest.mark.parametrize(
    ("photos_per_s", "utilization", "cores", "busy"),
    [(0.01, 0.6, 1, 0.001), (6, 0.6, 1, 0.6), (6.1, 0.6, 2, 0.61), (6.1, 1, 1, 0.61), (100, 0.5, 20, 10)],
)
def test_cores(photos_per_s: float, utilization: float, cores: int, busy: float) -> None:
    found = size(Demand(photos_per_s=photos_per_s, utilization=utilization), SPEED, FOOTPRINT, max_pixels=MAX_PIXELS)
    assert (found.instances, found.cores) == (1, cores)
    assert found.cores_busy == pytest.approx(busy)


def test_instances() -> None:
    demand = Demand(photos_per_s=50, utilization=0.5, cores_per_instance=4)
    found = size(demand, SPEED, FOOTPRINT, max_pixels=MAX_PIXELS)
    assert (found.instances, found.cores, found.total_cores) == (3, 4, 12)


def test_an_instance_has_no_more_cores_than_needed() -> None:
    demand = Demand(photos_per_s=1, utilization=0.5, cores_per_instance=8)
    found = size(demand, SPEED, FOOTPRINT, max_pixels=MAX_PIXELS)
    assert (found.instances, found.cores) == (1, 1)


def test_with_its_memory_no_limit_is_lowered_and_with_the_least_the_photos_still_fit() -> None:
    demand = Demand(photos_per_s=50, utilization=0.5, cores_per_instance=4)
    found = size(demand, SPEED, FOOTPRINT, max_pixels=MAX_PIXELS)
    limits = ServingLimits.of(Settings(), cores=4, max_pixels=MAX_PIXELS)
    assert found.memory_bytes == bytes_needed(FOOTPRINT, limits)
    least = limits.at_most(
        queue=4, max_pixels=12_000_000, max_body_bytes=6_000_000, max_upload_memory=8 * upload_bytes(6_000_000)
    )
    assert found.least_memory_bytes == bytes_needed(FOOTPRINT, least) < found.memory_bytes


def test_cost() -> None:
    demand = Demand(photos_per_s=50, utilization=0.5, cores_per_instance=5)
    sizing = size(demand, SPEED, FOOTPRINT, max_pixels=MAX_PIXELS)
    gib = 2 * sizing.memory_bytes / GIB
    found = sizing.cost_per_month(Prices(core_hour=0.04, gib_hour=0.005))
    assert found == pytest.approx(730 * (10 * 0.04 + gib * 0.005))
