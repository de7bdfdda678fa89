"""Measures a bundle, and reports what a demand needs: as one JSON object, and as lines of text."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.bundle import INT8, read_bundle
from service.choosing import choose_predictor
from service.predictor import Predictor
from service.sizing.needs import HOURS_PER_MONTH, HTTP_EFFICIENCY, Demand, Prices, size
from service.sizing.speed import machine_name, make_photo, measure_speed
from service.text import printable
from service.web.server.footprint import footprint_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """How a bundle is measured.

    Attributes:
        photos: Encoded photos of the user; if there are none, one is generated.
        megapixels: Size of the generated photo.
        seconds: For how long.
    """

    photos: Sequence[bytes] = ()
    megapixels: float = 12.0
    seconds: float = 3.0


def sizing_report(
    bundle: str | os.PathLike[str], demand: Demand, *, model: str, measurement: Measurement, prices: Prices | None
) -> dict[str, Any]:
    """Measure a bundle on this machine, and return everything as one JSON object. Linux only.

    Args:
        bundle: Path of a bundle, a folder or a zip.
        demand: What is asked of the service.
        model: Which model file: auto, fp32 or int8.
        measurement: How to measure.
        prices: Prices; without them, `cost` is None.

    Raises:
        BundleRefused: If the bundle is bad.
        service.pixels.ImageError: A photo cannot be decoded.
    """
    predictor = choose_predictor(read_bundle(bundle), model=model, kind=Predictor)
    photos = measurement.photos or [make_photo(measurement.megapixels)]
    speed = measure_speed(predictor, photos, seconds=measurement.seconds)
    footprint = footprint_of(bundle, model="int8" if predictor.model_file == INT8 else "fp32")
    sizing = size(demand, speed, footprint, max_pixels=predictor.limits.max_pixels)
    cost = None
    if prices is not None:
        per_month = sizing.cost_per_month(prices)
        thousands_per_month = demand.photos_per_s * 3.6 * HOURS_PER_MONTH
        cost = {**dataclasses.asdict(prices), "per_month": per_month, "per_1000": per_month / thousands_per_month}
    return {
        "bundle": {
            **{"name": predictor.name, "version": predictor.version, "digest": predictor.digest},
            **{"model_file": predictor.model_file, "model_reason": predictor.model_reason},
        },
        "machine": machine_name(),
        "photos": f"{len(photos)} of your own" if measurement.photos else "generated",
        "demand": dataclasses.asdict(demand),
        "speed": {**dataclasses.asdict(speed), "http_efficiency": HTTP_EFFICIENCY, "photos_per_s": speed.photos_per_s},
        "footprint": dataclasses.asdict(footprint),
        "sizing": {**dataclasses.asdict(sizing), "total_cores": sizing.total_cores},
        "cost": cost,
    }


def sizing_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Format a report as a table."""
    demand, speed, sizing, cost = (report[name] for name in ("demand", "speed", "sizing", "cost"))
    http_percent = 100 - 100 * HTTP_EFFICIENCY
    each = f"{sizing['instances']} x " if sizing["instances"] > 1 else ""
    facts = {
        "bundle": f"{report['bundle']['name']}, version {report['bundle']['version']}",
        "model": f"{report['bundle']['model_file']}: {report['bundle']['model_reason']}",
        "measured on": f"{report['machine']}, one core",
        "photos": f"{report['photos']}, {speed['megapixels']:.1f} megapixels, {speed['photo_bytes'] / 1e6:.1f} MB",
        "one photo": f"{speed['decode_ms']:.1f} ms to decode, {speed['infer_ms']:.1f} ms inference",
        "one core": f"{speed['photos_per_s']:.1f} photos/s, with {http_percent:.0f} % of its time for HTTP",
        "asked": f"{demand['photos_per_s']:g} photos/s at the busiest time, cores at most "
        f"{100 * demand['utilization']:.0f} % busy",
        "cores": f"{each}{sizing['cores']} ({sizing['cores_busy']:.2f} busy)",
        "memory": f"{each}{_mib(sizing['memory_bytes'])}; {each}{_mib(sizing['least_memory_bytes'])} if no photo is "
        "larger (the service lowers its limits by itself)",
    }
    if cost is not None:
        facts["cost"] = (
            f"{cost['per_month']:,.2f} a month ({HOURS_PER_MONTH} hours), {cost['per_1000']:.4f} for 1,000 photos if "
            "as many come all the time"
        )
    for name, value in facts.items():
        yield f"{name:<11} {printable(value)}"


def _mib(count: int) -> str:
    return f"{math.ceil(count / 1024**2):,} MiB"
