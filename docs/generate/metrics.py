"""The page of the metrics, from what /metrics returns for made-up models."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from docs.generate.markdown import code, codes, table
from docs.generate.routes import service_routes
from service.bundle import FP32
from service.predictor import Predictor
from service.web.engine import Engine
from service.web.record import STAGES, Record
from service.web.telemetry.metrics import CAUSES, REASONS, Metrics
from service.web.upload.places import UploadPlaces

_TEXT = """\
# Metrics

`GET /metrics` returns them in Prometheus' text format. Times are in seconds. A histogram has three series:
`_bucket`, `_sum` and `_count`. No label has a value that a client chooses.
"""
_ALWAYS = "always"
_WITH_MODEL = "once the model is loaded"
_WITH_REFERENCE = "once the model is loaded, if its bundle says how it predicts its validation images"
_HEADER = ("metric", "type", "labels", "what it is")
_REFERENCE = {"reference": {"class_fractions": [1.0], "confidence_counts": [1.0], "confidence_edges": [0.0, 1.0]}}
_LABELS = {
    "route": "Route of the request, where `:path` says that the part may contain slashes. `none`: no route has this "
    "path, or the request was rejected before its route was looked for (a wrong API key, an untrusted host).",
    "status": "HTTP status of the response ([problems](routes.md#problems)). `left`: the client left before it.",
    "stage": "Stage of a request, in this order.",
    "cause": "Why a request was rejected, with the status of the response.",
    "reason": "Why a prediction has no label.",
    "of": "What is compared: `class`, how often each class is predicted; `confidence`, the best probabilities.",
    "name": "Name of the bundle.",
    "version": "Version of the bundle.",
    "digest": "Hash of the bundle's manifest.",
    "model_file": "Which file of the bundle runs.",
    "le": "Upper bound of a bucket of a histogram, seconds.",
}
# Labels whose values are listed, and those whose values are explained.
_LISTED = ("route", "le")
_EXPLAINED = {"stage": STAGES, "cause": CAUSES, "reason": REASONS}


def metrics_page() -> str:
    """The page, Markdown; raises KeyError for a label that is not described above."""
    families = _families(_REFERENCE)
    begun = [family.name for family in families if family.name.endswith("_created")]
    own = [family for family in families if family.name.startswith("fieldguide_") and family.name not in begun]
    always, with_model = ({family.name for family in _families(found)} for found in (None, dict[str, Any]()))
    rows = []
    for family in own:
        when = _ALWAYS if family.name in always else _WITH_MODEL if family.name in with_model else _WITH_REFERENCE
        rows.append((*_row(family), when))
    lines = [_TEXT, *table((*_HEADER, "when"), rows)]
    lines += ["## Metrics of the process", "", "prometheus_client adds them, on Linux.", ""]
    lines += table(_HEADER, map(_row, _process_families()))
    lines += ["## Start of counting", "", "When each counter or histogram began to count, as Unix time:", ""]
    lines += [*(f"- {code(name)}" for name in begun), "", "## Labels", ""]
    for label, values in _labels(own).items():
        lines += [f"### {label}", "", _LABELS[label], ""]
        if label in _LISTED:
            lines += [codes(values), ""]
        lines += table((label, "what it means"), [(code(key), text) for key, text in _EXPLAINED.get(label, {}).items()])
    return "\n".join(lines)


def _families(metrics: Mapping[str, Any] | None) -> list[Metric]:
    """What /metrics returns after one request of each route.

    Args:
        metrics: Those of a made-up model in its bundle; None before a model is loaded.
    """
    spec = SimpleNamespace(classes=("a",), task="classification")
    model = SimpleNamespace(name="a", version="1", digest="sha256:", model_file=FP32, spec=spec, metrics=metrics)
    engine = Engine(threads=1, predictor=None if metrics is None else cast(Predictor, model))
    engine.close()  # nothing runs on its thread
    found = Metrics(engine, UploadPlaces(1))
    for path in [*(route.path for route in service_routes()), ""]:
        found.count(Record(id="", method="GET", path=path, route=path, status=200))
    return list(text_string_to_metric_families(found.exposition().decode()))


def _process_families() -> list[Metric]:
    """Those of a made-up process, so that they are the same where there is no /proc."""
    with tempfile.TemporaryDirectory() as name:
        proc, registry = Path(name), CollectorRegistry()
        (proc / "self" / "fd").mkdir(parents=True)
        (proc / "stat").write_text("btime 1\n")
        (proc / "self" / "stat").write_text("1 (a)" + " 0" * 50)
        (proc / "self" / "limits").write_text("Max open files 1 1 files\n")
        ProcessCollector(proc=name, registry=registry)
        return list(text_string_to_metric_families(generate_latest(registry).decode()))


def _row(family: Metric) -> tuple[str, str, str, str]:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return code(name), family.type, codes(_labels([family])), family.documentation


def _labels(families: Iterable[Metric]) -> dict[str, list[str]]:
    """Label -> its values, each in the order in which they come."""
    found: dict[str, list[str]] = {}
    for sample in (sample for family in families for sample in family.samples):
        for label, text in sample.labels.items():
            values = found.setdefault(label, [])
            if text not in values:
                values.append(text)
    return found
