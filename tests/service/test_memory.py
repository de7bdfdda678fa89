"""The arithmetic of the memory bound. That a real service keeps to it is in test_memory_bound.py."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from service.memory import Footprint, ServingLimits, bytes_needed, lowered, smallest, upload_bytes
from service.settings import Settings

MIB = 1024 * 1024
# Those of the default network.
FOOTPRINT = Footprint(service_bytes=117_000_000, activations_bytes=7_300_000)
FIELDS = [field.name for field in dataclasses.fields(ServingLimits)]


def default_limits(cores: int = 1, **settings: int) -> ServingLimits:
    return ServingLimits.of(Settings(**settings), cores=cores, max_pixels=50_000_000)


def test_the_bytes_of_every_part() -> None:
    limits = ServingLimits(
        slots=2,
        queue=3,
        max_body_bytes=1000,
        max_pixels=10_000,
        max_upload_memory=999_999,
        max_connections=7,
        max_header_bytes=500,
    )
    footprint = Footprint(service_bytes=1_000_000, activations_bytes=50_000)
    images = 2 * (50_000 + 12 * 10_000)
    bodies = (3 * 2 + 3 + 1) * 1000
    assert bytes_needed(footprint, limits) == 1_000_000 + images + bodies + 999_999 + 7 * (500 + 32 * 1024)


def test_one_body_may_always_arrive() -> None:
    limits = default_limits(max_body_bytes=5_000_000, max_upload_memory=1)
    more = default_limits(max_body_bytes=5_000_000, max_upload_memory=upload_bytes(5_000_000))
    assert bytes_needed(FOOTPRINT, limits) == bytes_needed(FOOTPRINT, more)


def test_the_limits_of_the_settings() -> None:
    limits = default_limits(cores=3)
    assert (limits.slots, limits.queue, limits.max_pixels) == (3, 12, 50_000_000)
    asked = default_limits(cores=3, threads=2, queue_per_slot=1, max_pixels=99)
    assert (asked.slots, asked.queue, asked.max_pixels) == (2, 2, 99)


def test_limits_that_fit_stay() -> None:
    limits = default_limits(cores=4)
    assert lowered(FOOTPRINT, limits, available_bytes=bytes_needed(FOOTPRINT, limits)) is limits
    assert lowered(FOOTPRINT, limits, available_bytes=bytes_needed(FOOTPRINT, limits) - 1) != limits


@pytest.mark.parametrize("cores", [1, 2, 7, 64])
@pytest.mark.parametrize(
    "settings", [{}, {"queue_per_slot": 0}, {"max_pixels": 500_000}, {"max_body_bytes": 1000}, {"max_upload_memory": 9}]
)
def test_they_fit_and_none_is_ever_higher(cores: int, settings: dict[str, int]) -> None:
    limits = default_limits(cores, **settings)
    least = bytes_needed(FOOTPRINT, smallest(limits))
    for available in range(least, 4096 * MIB, 37 * MIB):
        found = lowered(FOOTPRINT, limits, available_bytes=available)
        assert bytes_needed(FOOTPRINT, found) <= available
        for name in FIELDS:
            assert getattr(smallest(limits), name) <= getattr(found, name) <= getattr(limits, name), name


@pytest.mark.parametrize("cores", [1, 4])
def test_with_more_memory_the_service_processes_at_least_as_many_images_of_a_phone(cores: int) -> None:
    def photos(available: int) -> int:
        found = lowered(FOOTPRINT, default_limits(cores), available_bytes=available)
        return found.slots if found.max_pixels >= 12_200_000 and found.max_body_bytes >= 8_000_000 else 0

    counts = [photos(available) for available in range(128 * MIB, 4096 * MIB, 16 * MIB)]
    assert all(after >= before for before, after in itertools.pairwise(counts))
    assert counts[-1] == cores


def test_a_photo_of_a_phone_is_accepted_in_512_mib() -> None:
    found = lowered(FOOTPRINT, default_limits(), available_bytes=512 * MIB)
    assert found.max_pixels > 12_200_000
    assert found.max_body_bytes > 8_000_000
    assert (found.slots, found.queue) == (1, 1)


def test_the_memory_of_bodies_that_arrive_goes_first() -> None:
    limits = default_limits(cores=2)
    found = lowered(FOOTPRINT, limits, available_bytes=bytes_needed(FOOTPRINT, limits) - 150 * MIB)
    assert 64 * MIB <= found.max_upload_memory < limits.max_upload_memory
    assert found.at_most(max_upload_memory=1) == limits.at_most(max_upload_memory=1)
    assert lowered(FOOTPRINT, default_limits(), available_bytes=1024 * MIB).max_pixels == limits.max_pixels


def test_the_queue_goes_before_pixels_and_pixels_before_slots() -> None:
    limits = default_limits(cores=2, max_upload_memory=64 * MIB)
    needed = bytes_needed(FOOTPRINT, limits)
    short = lowered(FOOTPRINT, limits, available_bytes=needed - 50 * MIB)
    assert short.queue < limits.queue
    assert short.max_pixels == limits.max_pixels
    assert short.slots == 2
    shorter = lowered(FOOTPRINT, limits, available_bytes=needed // 2)
    assert (shorter.queue, shorter.slots) == (2, 2)
    assert shorter.max_pixels < limits.max_pixels
    shortest = lowered(FOOTPRINT, limits, available_bytes=needed // 4)
    assert shortest.slots == 1
    assert shortest.max_pixels >= 12_500_000


def test_nearly_all_memory_is_used() -> None:
    for available in (256 * MIB, 384 * MIB, 700 * MIB):
        found = lowered(FOOTPRINT, default_limits(), available_bytes=available)
        assert bytes_needed(FOOTPRINT, found) > 0.99 * available


def test_the_smallest_limits_if_nothing_fits() -> None:
    limits = default_limits(cores=8)
    found = lowered(FOOTPRINT, limits, available_bytes=64 * MIB)
    assert found == smallest(limits)
    assert (found.slots, found.queue, found.max_body_bytes, found.max_pixels) == (1, 0, MIB, 1_000_000)
    assert bytes_needed(FOOTPRINT, found) > 64 * MIB
