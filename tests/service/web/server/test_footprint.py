from __future__ import annotations

import sys
from pathlib import Path

import pytest

from service.web.server.footprint import footprint_of
from tests.benchmarks.process import process_usage
from tests.support.server import RunningServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports resident memory in this way")


def test_the_footprint_is_the_memory_of_a_real_service(bundle_path: Path) -> None:
    found = footprint_of(bundle_path, model="fp32")
    with RunningServer(bundle_path) as server:
        resident = process_usage(server.process.pid).resident_bytes
    assert found.service_bytes == pytest.approx(resident, rel=0.1)
    assert 0 <= found.activations_bytes < 5_000_000  # of one convolution


def test_a_larger_network_needs_more_for_an_image(tmp_path: Path, bundle_path: Path) -> None:
    from service.pixels import PixelSpec
    from tests.support.bundles import write_tiny_bundle

    large = write_tiny_bundle(tmp_path / "large", pixels=PixelSpec(size=1024, resize_short=1024))
    bytes_of_floats = 4 * 3 * 1024 * 1024
    more = (
        footprint_of(large, model="fp32").activations_bytes - footprint_of(bundle_path, model="fp32").activations_bytes
    )
    assert more > bytes_of_floats
