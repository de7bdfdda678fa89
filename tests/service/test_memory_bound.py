"""The bound of resident memory, enforced by the kernel, holds for the largest requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.memory import Load, enforce, send_largest_requests
from tests.support.memory_limit import ControlGroup, memory_limit
from tests.support.server import RunningServer

# What does not grow with the images: the heaps of threads, and codecs that were not needed before. The benchmark, whose
# images are the largest accepted ones by default, does not need it.
SPARE_BYTES = 20_000_000


def test_the_largest_requests_stay_within_the_memory_bound(bundle_path: Path) -> None:
    asked = Load(
        threads=2, max_pixels=4_000_000, queue_per_slot=1, max_body_bytes=1_000_000, max_upload_memory=6_000_000
    )
    with memory_limit() as limit, RunningServer(bundle_path, *asked.flags, within=limit.within) as server:
        if not isinstance(limit, ControlGroup):
            pytest.skip("this machine lets us make no control group that limits memory")
        bound = enforce(limit, server, asked, spare_bytes=SPARE_BYTES)
        rounds = list(send_largest_requests(server, asked))
        killed = limit.times_exceeded()
    assert killed == 0
    assert len(rounds) >= 11
    assert {each.kind: each.statuses for each in rounds if not each.statuses.keys() <= {200, 429}} == {}
    assert all(each.statuses[200] >= asked.permits for each in rounds)
    assert max(each.peak_bytes for each in rounds) <= bound.most_bytes
