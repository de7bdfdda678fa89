"""How many cores and how much memory a number of photos a second needs, and what that costs. Pure arithmetic."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from service.memory import Footprint, ServingLimits, bytes_needed
from service.settings import Settings
from service.text import printable

# How much of the speed of decoding and inference alone is left over HTTP; docs/benchmarks.md has how it was measured.
HTTP_EFFICIENCY = 0.9
HOURS_PER_MONTH = 730
GIB = 1024**3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demand:
    """What is asked of the service.

    Attributes:
        photos_per_s: Photos a second, at the busiest time.
        utilization: Which fraction of the cores they may keep busy, 0..1. The rest is for what comes unevenly:
            requests wait the longer, the less there is.
        cores_per_instance: Cores of one instance (container or machine); None: one instance has all cores.
    """

    photos_per_s: float
    utilization: float
    cores_per_instance: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Speed:
    """How long one core takes for one photo.

    Attributes:
        decode_ms: From the encoded photo to the model's input, median.
        infer_ms: Inference, median.
        megapixels: Size of the photos.
        photo_bytes: Length of the photos, the mean.
    """

    decode_ms: float
    infer_ms: float
    megapixels: float
    photo_bytes: int

    @property
    def photos_per_s(self) -> float:
        """How many photos a second one core processes over HTTP, if it does nothing else."""
        return 1e3 * HTTP_EFFICIENCY / (self.decode_ms + self.infer_ms)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prices:
    """Prices, in any currency.

    Attributes:
        core_hour: Of a core for an hour.
        gib_hour: Of a GiB of memory for an hour.
    """

    core_hour: float
    gib_hour: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizing:
    """What the demand needs.

    Attributes:
        cores_busy: How many cores the photos keep busy, on average at the busiest time.
        instances: How many instances there are.
        cores: Cores of each.
        memory_bytes: Memory limit of each, so that no limit of the service has to be lowered.
        least_memory_bytes: The same if no photo is larger than those that were measured, and only one request waits
            for each core. Between the two, the service lowers its limits by itself.
    """

    cores_busy: float
    instances: int
    cores: int
    memory_bytes: int
    least_memory_bytes: int

    @property
    def total_cores(self) -> int:
        """Cores of all instances."""
        return self.instances * self.cores

    def cost_per_month(self, prices: Prices) -> float:
        """Return what 730 hours cost, in the currency of the prices."""
        gib = self.instances * self.memory_bytes / GIB
        return HOURS_PER_MONTH * (self.total_cores * prices.core_hour + gib * prices.gib_hour)


def size(demand: Demand, speed: Speed, footprint: Footprint, *, max_pixels: int) -> Sizing:
    """Return what a demand needs.

    Args:
        demand: What is asked of the service.
        speed: How long one core takes for one photo.
        footprint: What the service and its model need, whatever the limits are.
        max_pixels: The bundle's limit on the pixels of an image.
    """
    cores_busy = demand.photos_per_s / speed.photos_per_s
    total = max(1, math.ceil(cores_busy / demand.utilization))
    cores = min(total, demand.cores_per_instance or total)
    limits = ServingLimits.of(Settings(), cores=cores, max_pixels=max_pixels)
    least = limits.at_most(
        queue=cores, max_pixels=math.ceil(1e6 * speed.megapixels), max_body_bytes=2 * speed.photo_bytes
    )
    return Sizing(
        cores_busy=cores_busy,
        instances=math.ceil(total / cores),
        cores=cores,
        memory_bytes=bytes_needed(footprint, limits),
        least_memory_bytes=bytes_needed(footprint, least),
    )


def sizing_report(
    demand: Demand, speed: Speed, footprint: Footprint, *, sizing: Sizing, prices: Prices | None
) -> dict[str, Any]:
    """Return everything as one JSON object. Without prices there is no cost."""
    costs: dict[str, Any] = {}
    if prices is not None:
        per_month = sizing.cost_per_month(prices)
        photos_per_month = demand.photos_per_s * 3600 * HOURS_PER_MONTH
        costs = {**dataclasses.asdict(prices), "per_month": per_month, "per_1000": 1e3 * per_month / photos_per_month}
    return {
        "demand": dataclasses.asdict(demand),
        "speed": {**dataclasses.asdict(speed), "http_efficiency": HTTP_EFFICIENCY, "photos_per_s": speed.photos_per_s},
        "footprint": dataclasses.asdict(footprint),
        "sizing": {**dataclasses.asdict(sizing), "total_cores": sizing.total_cores},
        "cost": costs or None,
    }


def sizing_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Format a report, which also has the `bundle`, the `machine` and the `photos` that were measured, as a table."""
    demand, speed, sizing, cost = (report[name] for name in ("demand", "speed", "sizing", "cost"))
    http_percent = 100 - 100 * HTTP_EFFICIENCY
    each = f"{sizing['instances']} x " if sizing["instances"] > 1 else ""
    facts = {
        "bundle": f"{report['bundle']['name']}, version {report['bundle']['version']}",
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
