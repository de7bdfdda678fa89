from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from service.bundle import read_bundle
from service.sizing.needs import Demand, Prices
from service.sizing.report import Measurement, sizing_lines, sizing_report
from tests.support.bundles import make_image, write_tiny_bundle

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports resident memory in this way")
DEMAND = Demand(photos_per_s=2000, utilization=0.5, cores_per_instance=4)


def test_a_report_has_every_figure(bundle_path: Path) -> None:
    prices = Prices(core_hour=0.04, gib_hour=0.005)
    report = sizing_report(
        bundle_path, DEMAND, model="fp32", measurement=Measurement(megapixels=0.5, seconds=0.1), prices=prices
    )
    assert json.loads(json.dumps(report)) == report
    assert report["bundle"]["digest"] == read_bundle(bundle_path).digest
    assert report["photos"] == "generated"
    assert report["speed"]["megapixels"] == pytest.approx(0.5, rel=0.02)
    assert report["footprint"]["service_bytes"] > 50_000_000
    sizing, cost = report["sizing"], report["cost"]
    assert sizing["cores_busy"] == pytest.approx(2000 / report["speed"]["photos_per_s"])
    assert sizing["cores"] * sizing["instances"] == sizing["total_cores"] >= sizing["cores_busy"] / 0.5
    assert cost["per_1000"] == pytest.approx(cost["per_month"] / (2000 * 3600 * 730) * 1000)


def test_the_table(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "b", name="bears")
    measurement = Measurement(photos=[make_image(size=(2000, 1500))], seconds=0)
    report = sizing_report(bundle, DEMAND, model="auto", measurement=measurement, prices=None)
    text = "\n".join(sizing_lines({**report, "machine": "A\x1b, 2 usable cores"}))
    assert "\x1b" not in text
    assert "bundle      bears, version 1\n" in text
    assert "photos      1 of your own, 3.0 megapixels" in text
    assert "with 10 % of its time for HTTP" in text
    assert "at most 50 % busy" in text
    assert f"cores       {report['sizing']['instances']} x 4 (" in text
    assert "cost" not in text
    cost = {"cost": {"per_month": 1234.5, "per_1000": 0.01}}
    assert "1,234.50 a month (730 hours), 0.0100 for 1,000 photos" in "\n".join(sizing_lines({**report, **cost}))
