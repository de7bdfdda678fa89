"""How far the probabilities of the exported model can be trusted: what metrics.json says, in words and charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.bundle import ModelSpec
from service.bundle.spec import Task
from trainer.report.calibration_charts import WORDS, BinTexts, bin_texts, draw_coverage, draw_reliability
from trainer.report.chart import Chart
from trainer.report.formatting import percent
from trainer.wording import counted

_MEASURES = {
    "ece": "Calibration error (ECE)",
    "adaptive_ece": "The same, with bins of equal counts",
    "brier": "Brier score",
    "loss": "Loss",
}
_INDEPENDENT = "labelled images that chose nothing else (calibration)"
_ONE_SIDED = 0.5  # if the mean difference is this part of the calibration error, most differences have its sign


@dataclass(frozen=True, kw_only=True)
class CalibrationSummary:
    """What the page says about probabilities.

    Attributes:
        claim: What has a probability, in the singular: a prediction, or a label.
        measured_on: On which images, in a few words.
        ece: Calibration error after calibration.
        interval: 95 % interval of it.
        ece_before: Calibration error before calibration.
        perfect: What perfect calibration would show on average, and at most 19 times of 20.
        verdict: Whether the error is more than that, in a sentence.
        strange: How many strange images are recognized, in a sentence; empty if that is not known.
        charts: The reliability diagram, and the error by coverage.
        measures: Name, before and after calibration, as texts.
        bins: The bars of the reliability diagram in words.
    """

    claim: str
    measured_on: str
    ece: float
    interval: tuple[float, float]
    ece_before: float
    perfect: tuple[float, float]
    verdict: str
    strange: str
    charts: Sequence[Chart]
    measures: Sequence[tuple[str, str, str]]
    bins: Sequence[BinTexts]


def summarize_calibration(task: Task, metrics: Mapping[str, Any], model: ModelSpec) -> CalibrationSummary | None:
    """Summarize how far probabilities can be trusted; None if that was not measured.

    Args:
        task: Of the model.
        metrics: What metrics.json of the bundle says of the model file.
        model: What spec.json says of it.
    """
    if "calibration" not in metrics:
        return None
    found = metrics["calibration"]
    before, after, perfect = found["before"], found["after"], found["perfect_ece"]
    low, high = after["ece_interval"]
    return CalibrationSummary(
        claim=WORDS[task].claim,
        measured_on=_INDEPENDENT if found.get("independent") else "the validation images",
        ece=after["ece"],
        interval=(low, high),
        ece_before=before["ece"],
        perfect=(perfect["mean"], perfect["upper"]),
        verdict=_verdict(found),
        strange=_strange(metrics.get("ood", {})),
        charts=(draw_reliability(found["bins"], task=task), *draw_coverage(found, task=task, abstain=model.abstain)),
        measures=[(words, _text(name, before), _text(name, after)) for name, words in _MEASURES.items()],
        bins=[bin_texts(part) for part in found["bins"] if part["count"]],
    )


def _verdict(calibration: Mapping[str, Any]) -> str:
    images, error = counted(calibration["images"], "image"), calibration["after"]["ece"]
    if error <= calibration["perfect_ece"]["upper"]:
        return f"With {images}, even perfect probabilities would be off by as much."
    parts = [part for part in calibration["bins"] if part["count"]]
    too_high = sum(part["count"] * (part["confidence"] - part["accuracy"]) for part in parts)
    too_high /= sum(part["count"] for part in parts)
    sides = f"too {'high' if too_high > 0 else 'low'}"
    if abs(too_high) < _ONE_SIDED * error:
        sides = "partly too high, partly too low"
    return f"With {images}, perfect probabilities would be off by less: these are {sides}."


def _strange(ood: Mapping[str, Any]) -> str:
    """A sentence about images that show none of the classes."""
    if "drawn" not in ood:
        return ""
    drawn = ood["drawn"]
    return (
        f"Of {counted(drawn['images'], 'drawn strange image')} (noise, flat colours, shapes, text), "
        f"{percent(drawn['rejected'])} are recognized as unknown. The threshold allows this for "
        f"{percent(ood['false_alarms'])} of the photos of known classes, too."
    )


def _text(measure: str, measured: Mapping[str, Any]) -> str:
    value: float = measured[measure]
    return percent(value) if measure.endswith("ece") else f"{value:.4f}"
