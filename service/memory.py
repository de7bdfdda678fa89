"""How much memory the service needs at most, and which limits fit into how much. Pure arithmetic.

The bound of memory is the sum of

    service_bytes                                                     the service and the model
    + slots x (activations_bytes + 12 bytes x max_pixels)             what is decoded and classified at the same time
    + (3 x slots + queue + 1) x max_body_bytes                        bodies that arrived, and copies of files in them
    + max_upload_memory                                               bodies that arrive
    + max_connections x (max_header_bytes + 32 KiB)                   connections whose headers arrive
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Callable, Iterator

from service.pixels.spec import MAX_BYTES_PER_PIXEL
from service.settings import Settings

# The body of each admitted request; for each slot the copy of the file in it; for each slot the body of a request whose
# client has been answered already, because its work did not return in time; one body that is put together.
_BODIES_PER_SLOT, _BODIES_PER_PLACE, _BODIES_PUT_TOGETHER = 3, 1, 1
# What a body that arrives takes besides its bytes: what was read from its connection, and not yet by the application.
_UPLOAD_BYTES = 384 * 1024
# What a connection takes besides its headers, as measured with 512 of them.
_CONNECTION_BYTES = 32 * 1024
# Photos of most phones: 12 megapixels in at most 8 MB. Fewer images are processed at once before these are refused.
_PHONE_PIXELS = 12_500_000
_PHONE_BYTES = 8 * 1024 * 1024
_FEW_CONNECTIONS = 128
# Fifteen photos of phones arrive at the same time, or four (of 3.8 MB).
CALM_UPLOADS_BYTES, _FEW_UPLOADS_BYTES = 64 * 1024 * 1024, 16 * 1024 * 1024
# The smallest limits: one request at a time, with a small photo.
_SMALLEST_PIXELS = 1_000_000
_SMALLEST_BYTES = 1024 * 1024
_SMALLEST_CONNECTIONS = 32
_STEPS = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Footprint:
    """The memory that a bundle takes in the service, whatever the limits are. Measured: see `service.web.server`.

    Attributes:
        service_bytes: Resident memory of the service with the loaded model, at rest, bytes.
        activations_bytes: What the network needs besides while it classifies one image, bytes.
    """

    service_bytes: int
    activations_bytes: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingLimits:
    """The limits on which memory depends.

    Attributes:
        slots: Images that are processed at the same time.
        queue: Requests that wait for them, all together.
        max_body_bytes: Longest request body, bytes.
        max_pixels: Most pixels of an image.
        max_upload_memory: Memory for bodies that arrive, bytes; one body may always arrive.
        max_connections: Most open connections.
        max_header_bytes: Longest headers of a request, bytes. They are never lowered.
    """

    slots: int
    queue: int
    max_body_bytes: int
    max_pixels: int
    max_upload_memory: int
    max_connections: int
    max_header_bytes: int = Settings.max_header_bytes

    @classmethod
    def of(cls, settings: Settings, *, cores: int, max_pixels: int) -> ServingLimits:
        """Return the limits of the settings.

        Args:
            settings: The settings.
            cores: Usable cores, for the number of slots if the settings leave it open.
            max_pixels: The bundle's limit, if the settings leave it open.
        """
        slots = settings.threads or cores
        return cls(
            slots=slots,
            queue=slots * settings.queue_per_slot,
            max_body_bytes=settings.max_body_bytes,
            max_pixels=settings.max_pixels or max_pixels,
            max_upload_memory=settings.max_upload_memory,
            max_connections=settings.max_connections,
            max_header_bytes=settings.max_header_bytes,
        )

    def at_most(self, **most: int) -> ServingLimits:
        """Return these limits, with those that are named lowered to at most the given values."""
        return dataclasses.replace(self, **{name: min(value, getattr(self, name)) for name, value in most.items()})


def bytes_needed(footprint: Footprint, limits: ServingLimits) -> int:
    """Return the most memory that the service needs with these limits, bytes."""
    count = _BODIES_PER_SLOT * limits.slots + _BODIES_PER_PLACE * limits.queue + _BODIES_PUT_TOGETHER
    bodies = count * limits.max_body_bytes
    uploads = max(limits.max_upload_memory, upload_bytes(limits.max_body_bytes))
    images = limits.slots * (footprint.activations_bytes + MAX_BYTES_PER_PIXEL * limits.max_pixels)
    connections = limits.max_connections * (limits.max_header_bytes + _CONNECTION_BYTES)
    return footprint.service_bytes + bodies + uploads + images + connections


def upload_bytes(body_bytes: int) -> int:
    """Return how much memory a body of this length takes while it arrives."""
    return body_bytes + _UPLOAD_BYTES


def smallest(limits: ServingLimits) -> ServingLimits:
    """Return the smallest useful limits: one image at a time, of 1 megapixel in 1 MiB. None is higher than before."""
    return limits.at_most(
        slots=1,
        queue=0,
        max_body_bytes=_SMALLEST_BYTES,
        max_pixels=_SMALLEST_PIXELS,
        max_upload_memory=upload_bytes(_SMALLEST_BYTES),
        max_connections=_SMALLEST_CONNECTIONS,
    )


def lowered(footprint: Footprint, limits: ServingLimits, *, available_bytes: int) -> ServingLimits:
    """Lower the limits as little as necessary, so that the service fits into the available memory.

    What harms the users least goes first: the memory of bodies that arrive, to 64 MiB; connections and the queue, to
    128 and one request for each slot (some are asked to come back); then pixels and bytes of an image, down to those of
    a phone's photo, and the memory of bodies again; then the number of slots, down to one; then the queue, to none; at
    last all of them, down to the smallest limits.

    Args:
        footprint: What the service and its model need.
        limits: The limits to start from. No limit is ever raised.
        available_bytes: How much memory there is.

    Returns:
        Limits that fit; the smallest ones if none do.
    """
    if bytes_needed(footprint, limits) <= available_bytes:
        return limits

    def fits(candidate: ServingLimits) -> bool:
        return bytes_needed(footprint, candidate) <= available_bytes

    for slots, least_queue in _crowds(limits):
        full = limits.at_most(slots=slots, queue=limits.queue * slots // limits.slots)
        calm = full.at_most(max_upload_memory=CALM_UPLOADS_BYTES)
        few = calm.at_most(queue=least_queue, max_connections=_FEW_CONNECTIONS)
        phone = few.at_most(max_pixels=_PHONE_PIXELS, max_body_bytes=_PHONE_BYTES, max_upload_memory=_FEW_UPLOADS_BYTES)
        for high, low in itertools.pairwise((full, calm, few, phone)):
            if fits(low):
                return _between(high, low, fits)
    return _between(phone, smallest(limits), fits)


def _crowds(limits: ServingLimits) -> Iterator[tuple[int, int]]:
    """Yield numbers of slots with the shortest queue for each, the most first."""
    for slots in range(limits.slots, 0, -1):
        yield slots, slots
    yield 1, 0


def _between(high: ServingLimits, low: ServingLimits, fits: Callable[[ServingLimits], bool]) -> ServingLimits:
    """Return the highest limits that fit, on the straight line from `high` to `low`; `low` if none do."""
    fields = [field.name for field in dataclasses.fields(ServingLimits)]

    def at(step: int) -> ServingLimits:
        values = ((name, getattr(high, name), getattr(low, name)) for name in fields)
        return ServingLimits(**{name: top - -(-step * (top - bottom) // _STEPS) for name, top, bottom in values})

    return at(min(_STEPS, bisect.bisect_left(range(_STEPS + 1), True, key=lambda step: fits(at(step)))))
