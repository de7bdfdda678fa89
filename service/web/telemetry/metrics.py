"""Metrics for Prometheus. No label value comes from a client, so that their number is bounded."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from service.web.engine.engine import Engine
from service.web.record import STAGES, Record
from service.web.telemetry.drift import Drift, Reference
from service.web.upload.places import UploadPlaces

_STAGE_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Why a request can be rejected: the first six by the application, the others by the connection before it.
CAUSES = {
    "queue_full": "every slot and every place in the queue was taken: 429",
    "uploads_full": "too many bodies were arriving: 429",
    "body_slow": "the body stopped arriving, or was slower than the minimum rate: 408",
    "body_large": "the body was longer than the limit: 413",
    "deadline": "the response was not ready in time: 503",
    "not_ready": "the model was not loaded yet: 503; probes of /readyz count, too",
    "connections": "too many connections were open: 503",
    "headers_slow": "the headers did not arrive in time: 408",
    "headers_large": "the headers were too long, or too many: 431",
    "malformed": "the request was not valid HTTP: 400",
}

# Why a prediction can have no label.
REASONS = {
    "unknown": "the image is too strange for the model",
    "unsure": "the prediction is too uncertain",
}


class Metrics:
    """All metrics, in their own registry."""

    def __init__(self, engine: Engine, places: UploadPlaces) -> None:
        self._engine = engine
        self._places = places
        self._drift: Drift | None = None
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "fieldguide_requests", "Requests by route and status.", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "fieldguide_request_seconds",
            "Time from a request's headers to the end of its response.",
            ["route"],
            buckets=_STAGE_BUCKETS_S,
            registry=registry,
        )
        stages = Histogram(
            "fieldguide_stage_seconds",
            "Time of each stage of a request.",
            ["stage"],
            buckets=_STAGE_BUCKETS_S,
            registry=registry,
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        rejected = Counter("fieldguide_rejected", "Rejected requests, by cause.", ["cause"], registry=registry)
        self._rejected = {cause: rejected.labels(cause) for cause in CAUSES}
        abstained = Counter(
            "fieldguide_abstained", "Predictions without a label, by reason.", ["reason"], registry=registry
        )
        self._abstained = {reason: abstained.labels(reason) for reason in REASONS}
        registry.register(_GaugeCollector(self))
        ProcessCollector(registry=registry)

    def count(self, request: Record) -> None:
        """Count a finished request."""
        route = request.route or "none"
        self._requests.labels(route, request.status or "left").inc()
        self._seconds.labels(route).observe(request.total_ms / 1e3)
        for stage, duration_ms in tuple(request.stages_ms.items()):  # cancelled work may still add to them
            self._stages[stage].observe(duration_ms / 1e3)
        if request.rejected:
            self.reject(request.rejected)
        if request.prediction is None or request.status != 200:
            return
        if request.prediction.abstained is not None:
            self._abstained[request.prediction.abstained].inc()
        if (drift := self.drift()) is not None:
            drift.add(request.prediction.candidates, request.prediction.best)

    def reject(self, cause: str) -> None:
        """Count a rejected request or connection, by one of the causes above."""
        self._rejected[cause].inc()

    def drift(self) -> Drift | None:
        """Return the drift; None if no model is loaded, or its bundle has no reference."""
        if self._drift is None and self._engine.is_loaded:
            predictor = self._engine.predictor
            reference = Reference.from_metrics(predictor.metrics, class_count=len(predictor.spec.classes))
            self._drift = Drift(reference) if reference is not None else None
        return self._drift

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def gauges(self) -> Iterable[Metric]:
        """Return the metrics that are looked up at every scrape."""
        engine, health = self._engine, self._engine.health
        for name, text, value in (
            ("slots", "Images that are processed at the same time.", engine.slots),
            ("slots_lost", "Slots lost to work that did not return in time.", health.slots_lost),
            ("permits", "Requests that may be inside at the same time.", engine.permits.count),
            ("uploads", "Request bodies that arrive.", self._places.count),
            ("in_flight", "Requests that wait or are processed.", engine.permits.taken),
            ("queue_depth", "Requests that wait for a slot.", engine.queue_depth),
        ):
            yield GaugeMetricFamily(f"fieldguide_{name}", text, value=value)
        yield CounterMetricFamily(
            "fieldguide_failures",
            "Requests that failed by the service's fault, deadlines included.",
            value=health.failures,
        )
        if engine.is_loaded:
            model = engine.predictor
            labels = {
                **{"name": model.name, "version": model.version, "digest": model.digest},
                "model_file": model.model_file,
            }
            yield InfoMetricFamily("fieldguide_model", "The model of this service.", value=labels)
        drift = self.drift()
        if drift is not None:
            yield from _drift_metrics(drift)


class _GaugeCollector(Collector):
    """`Metrics.gauges`, as the registry needs it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics.gauges()


def _drift_metrics(drift: Drift) -> Iterable[Metric]:
    index = GaugeMetricFamily(
        "fieldguide_drift_psi", "Population stability index of the latest predictions.", labels=["of"]
    )
    by_chance = GaugeMetricFamily(
        "fieldguide_drift_psi_by_chance", "Size of that index by chance, if nothing has changed.", labels=["of"]
    )
    for name, drift_index in drift.indices().items():
        index.add_metric([name], drift_index.value)
        by_chance.add_metric([name], drift_index.by_chance)
    compared = "Latest predictions that are compared with those on the validation images."
    return (GaugeMetricFamily("fieldguide_drift_answers", compared, value=drift.prediction_count), index, by_chance)
