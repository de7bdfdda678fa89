"""How many cores and how much memory a number of photos a second needs, and what that costs. Pure arithmetic."""

from __future__ import annotations

import dataclasses
import math

from service.memory import Footprint, ServingLimits, bytes_needed, upload_bytes
from service.settings import Settings

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
            for each core, and two photos arrive. Between the two, the service lowers its limits by itself.
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
        queue=cores,
        max_pixels=math.ceil(1e6 * speed.megapixels),
        max_body_bytes=2 * speed.photo_bytes,
        max_upload_memory=2 * cores * upload_bytes(2 * speed.photo_bytes),
    )
    return Sizing(
        cores_busy=cores_busy,
        instances=math.ceil(total / cores),
        cores=cores,
        memory_bytes=bytes_needed(footprint, limits),
        least_memory_bytes=bytes_needed(footprint, least),
    )
