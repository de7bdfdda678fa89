"""What the service counts, for Prometheus. No label comes from a client: their number is bounded."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from service.web.engine.engine import Engine
from service.web.record import STAGES, Record
from service.web.telemetry.drift import Drift, Reference

_STAGE_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Why a request may be turned away: by the layers of the application, and by the connection before them.
CAUSES = ("queue_full", "body_slow", "body_large", "deadline", "not_ready")
CONNECTION_CAUSES = ("connections", "headers_slow", "headers_large", "malformed")


class Metrics:
    """Every metric, in a registry of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._drift: Drift | None = None
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "fieldguide_requests", "Requests by route and status.", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "fieldguide_request_seconds",
            "Time from a request's headers to the end of its answer.",
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
        rejected = Counter("fieldguide_rejected", "Requests turned away, by cause.", ["cause"], registry=registry)
        self._rejected = {cause: rejected.labels(cause) for cause in CAUSES + CONNECTION_CAUSES}
        registry.register(_State(self))
        ProcessCollector(registry=registry)

    def count(self, request: Record) -> None:
        """Take a request in that has ended."""
        route = request.route or "none"
        self._requests.labels(route, request.status or "left").inc()
        self._seconds.labels(route).observe(request.total_ms / 1e3)
        for stage, duration_ms in tuple(request.stages_ms.items()):  # work that was given up may still add to them
            self._stages[stage].observe(duration_ms / 1e3)
        if request.rejected:
            self.reject(request.rejected)
        if request.verdict is not None and request.status == 200 and (drift := self.drift()) is not None:
            drift.add(request.verdict, multilabel=self._engine.predictor.spec.task == "multilabel")

    def reject(self, cause: str) -> None:
        """Count what was turned away, by one of the causes above."""
        self._rejected[cause].inc()

    def drift(self) -> Drift | None:
        """None where no model is loaded, or its bundle says nothing to compare with."""
        if self._drift is None and self._engine.is_loaded:
            predictor = self._engine.predictor
            reference = Reference.from_metrics(predictor.metrics, class_count=len(predictor.spec.classes))
            self._drift = Drift(reference) if reference is not None else None
        return self._drift

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)

    def state(self) -> Iterable[Metric]:
        """What is not counted but looked up when it is asked for."""
        engine, vitals = self._engine, self._engine.vitals
        for name, text, value in (
            ("slots", "Images that are worked on side by side.", engine.slots),
            ("slots_lost", "Slots lost to work that did not end in time.", vitals.slots_lost),
            ("permits", "Requests that may be inside at once.", engine.permits.count),
            ("in_flight", "Requests whose body arrives, or that wait or are worked on.", engine.permits.taken),
            ("queue_depth", "Requests that wait for a slot.", engine.queue_depth),
        ):
            yield GaugeMetricFamily(f"fieldguide_{name}", text, value=value)
        yield CounterMetricFamily(
            "fieldguide_failures", "Requests that failed by our own fault, deadlines included.", value=vitals.failures
        )
        if engine.is_loaded:
            model = engine.predictor
            labels = {"name": model.name, "version": model.version, "digest": model.digest}
            yield InfoMetricFamily("fieldguide_model", "The model that answers.", value=labels)
        drift = self.drift()
        if drift is not None:
            yield from _drift_metrics(drift)


class _State(Collector):
    """`Metrics.state`, as the registry wants it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics.state()


def _drift_metrics(drift: Drift) -> Iterable[Metric]:
    index = GaugeMetricFamily(
        "fieldguide_drift_psi", "Population stability index of the latest answers.", labels=["of"]
    )
    by_chance = GaugeMetricFamily(
        "fieldguide_drift_psi_by_chance", "What that index would be about if nothing had changed.", labels=["of"]
    )
    for name, found in drift.indices().items():
        index.add_metric([name], found.value)
        by_chance.add_metric([name], found.by_chance)
    compared = "Latest answers that are compared with those on the validation images."
    return (GaugeMetricFamily("fieldguide_drift_answers", compared, value=drift.answers), index, by_chance)
