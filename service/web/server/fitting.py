"""Lowers the limits of the service to what the memory limit of its control groups holds."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator

from service.control_groups import memory_limit_bytes
from service.memory import ServingLimits, bytes_needed, lowered
from service.predictor import Predictor
from service.settings import Settings
from service.web.engine import Engine
from service.web.server.footprint import measure_footprint
from service.web.server.protocol import ConnectionLimits
from service.web.upload.upload import UploadLimits

_logger = logging.getLogger(__name__)
# Limit -> the setting that it comes from, and how it is shown.
_SETTINGS = {
    "slots": "threads",
    "queue": "queue_per_slot",
    "max_body_bytes": "max_body_bytes",
    "max_pixels": "max_pixels",
    "max_upload_memory": "max_upload_memory",
    "max_connections": "max_connections",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Enforcers:
    """What enforces the limits of a running service.

    Attributes:
        engine: Slots, and how many requests may be inside.
        uploads: Length of bodies, and the memory for those that arrive.
        connections: Number of connections.
    """

    engine: Engine
    uploads: UploadLimits
    connections: ConnectionLimits

    def limits(self, predictor: Predictor) -> ServingLimits:
        """Return the limits as they are now."""
        return ServingLimits(
            slots=self.engine.slots,
            queue=self.engine.permits.count - self.engine.slots,
            max_body_bytes=self.uploads.max_bytes,
            max_pixels=predictor.limits.max_pixels,
            max_upload_memory=self.uploads.places.max_bytes,
            max_connections=self.connections.max_connections,
            max_header_bytes=self.connections.max_header_bytes,
        )

    def lower(self, limits: ServingLimits, predictor: Predictor) -> None:
        """Apply limits, none of which is higher than before. No request is processed yet."""
        self.engine.lower(slots=limits.slots, queue=limits.queue)
        self.uploads.max_bytes = limits.max_body_bytes
        self.uploads.places.max_bytes = limits.max_upload_memory
        predictor.limits = dataclasses.replace(predictor.limits, max_pixels=limits.max_pixels)
        self.connections.max_connections = limits.max_connections


def fit_to_memory(predictor: Predictor, *, enforcers: Enforcers, settings: Settings) -> None:
    """Lower the limits if the process is in a control group whose memory they would exceed, and log it.

    Args:
        predictor: The loaded model. Its limit on pixels is one of them.
        enforcers: The others.
        settings: The settings: the log names those that were set by the user.
    """
    available_bytes = memory_limit_bytes()
    if available_bytes is None:
        return
    footprint = measure_footprint(predictor)
    before = enforcers.limits(predictor)
    after = lowered(footprint, before, available_bytes=available_bytes)
    needed_bytes = bytes_needed(footprint, after)
    if needed_bytes > available_bytes:
        _logger.warning(
            "the memory limit of %s is too small, and the service may be killed: give it at least %s, which one small "
            "image at a time needs",
            _megabytes(available_bytes),
            _megabytes(needed_bytes),
        )
    if after == before:
        return
    enforcers.lower(after, predictor)
    _logger.warning(
        "limits lowered to fit into the memory limit of %s, since the old ones need %s (%s of it the service and its "
        "model): %s",
        _megabytes(available_bytes),
        _megabytes(bytes_needed(footprint, before)),
        _megabytes(footprint.service_bytes),
        ", ".join(_changes(before, after, settings)),
    )


def _changes(before: ServingLimits, after: ServingLimits, settings: Settings) -> Iterator[str]:
    """Yield each limit that is lower now, with its old and new value."""
    for name, setting in _SETTINGS.items():
        old, new = getattr(before, name), getattr(after, name)
        if new < old:
            is_own = getattr(settings, setting) != getattr(Settings, setting)
            yield f"{name} {old:,} -> {new:,}{' (although it was set)' if is_own else ''}"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
