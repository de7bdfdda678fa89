"""What the report says about probabilities, from metrics.json as export writes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.bundle import AbstainSpec, ModelSpec
from service.bundle.spec import Task
from trainer.abstention.reliability import calibration_of
from trainer.report.calibration import CalibrationSummary, summarize_calibration
from trainer.report.chart import Chart
from trainer.training.metrics import activate

IMAGES = 400
ABSTAIN = AbstainSpec(threshold=0.6, max_error=0.02, confidence=0.95, coverage=0.8, images=IMAGES, independent=False)


def measured(task: Task = "classification") -> dict[str, Any]:
    """Of a model that calibration makes right."""
    random = np.random.default_rng(0)
    logits = 2 * random.normal(size=(IMAGES, 5))
    probabilities = activate(logits, task)
    if task == "classification":
        targets = (probabilities.cumsum(axis=1) > random.random((IMAGES, 1))).argmax(axis=1)
    else:
        targets = (random.random(probabilities.shape) < probabilities).astype(np.float32)
    found = calibration_of(3 * logits, targets, task=task)
    assert found is not None
    return found


def summarize(
    calibration: dict[str, Any],
    *,
    task: Task = "classification",
    ood: dict[str, Any] | None = None,
    abstain: AbstainSpec | None = None,
) -> CalibrationSummary:
    metrics = {"calibration": calibration, **({"ood": ood} if ood else {})}
    thresholds = () if task == "classification" else (0.5,) * 5
    found = summarize_calibration(task, metrics, ModelSpec(temperature=1.0, thresholds=thresholds, abstain=abstain))
    assert found is not None
    return found


def inside(chart: Chart) -> bool:
    """Whether everything but the band, which may leave it, is in a chart."""
    boxes = [box(bar) for bar in chart.bars for box in (chart.bar_box, chart.gap_box, chart.chance_box)]
    points = [point for line in chart.lines for point in line.points]
    return all(
        0 <= box.x <= box.x + box.width <= 100.01 and -0.01 <= box.y <= box.y + box.height <= 100.01 for box in boxes
    ) and all(0 <= chart.x.percent(x) <= 100 and 0 <= chart.y.percent(y) <= 100 for x, y in points)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_the_reliability_diagram_has_a_bar_for_each_bin_with_claims(task: Task) -> None:
    calibration = measured(task)
    found = summarize(calibration, task=task)
    chart = found.charts[0]
    parts = [part for part in calibration["bins"] if part["count"]]
    assert [(bar.low, bar.top, bar.ideal) for bar in chart.bars] == [
        (part["low"], part["accuracy"], part["confidence"]) for part in parts
    ]
    assert [bar.faint for bar in chart.bars] == [part["count"] < 10 for part in parts]
    assert len(found.bins) == len(parts)
    assert inside(chart)
    for bar, part in zip(chart.bars, parts, strict=True):
        assert bar.chance[0] <= part["confidence"] + 0.5 / part["count"]
        assert bar.chance[1] >= part["confidence"] - 0.5 / part["count"]
    assert f"probability of a {found.claim}" == chart.x_name
    outside = sum(not bar.chance[0] <= bar.top <= bar.chance[1] for bar in chart.bars)
    assert outside <= 2  # 1 of 20, if the probabilities are right


def test_the_verdict_says_whether_chance_explains_the_error() -> None:
    calibration = measured()
    assert summarize(calibration).verdict == "With 400 images, even perfect probabilities would be off by as much."
    worse = "With 400 images, perfect probabilities would be off by less: these are "
    for change, words in ((-0.1, "too high."), (0.1, "too low.")):
        bins = [
            {**part, "accuracy": np.clip(part["confidence"] + change, 0, 1)}
            for part in calibration["bins"]
            if part["count"]
        ]
        off = {**calibration, "bins": bins, "after": {**calibration["after"], "ece": 0.1}}
        assert summarize(off).verdict == worse + words
    both = {**calibration, "after": {**calibration["after"], "ece": 0.4}}
    assert summarize(both).verdict == worse + "partly too high, partly too low."


def test_the_error_by_coverage_has_the_point_of_the_threshold() -> None:
    calibration = measured()
    (always,) = summarize(calibration).charts[1:]
    assert [line.name for line in always.lines] == ["wrong"]
    assert not always.marks
    (chart,) = summarize(calibration, abstain=ABSTAIN).charts[1:]
    assert [(mark.text, mark.x) for mark in chart.marks] == [("answers 80.0\N{NO-BREAK SPACE}%", 0.8)]
    ((coverage, error),) = chart.lines[1].points
    curve = dict(zip(calibration["coverage"]["coverage"], calibration["coverage"]["error"], strict=True))
    assert (coverage, error) == (0.8, pytest.approx(curve[0.8]))
    assert f"all images are answered, {100 * calibration['coverage']['error'][-1]:.1f}" in chart.description
    assert inside(chart)


def test_a_model_without_mistakes_has_charts_too() -> None:
    targets = np.arange(40) % 4
    calibration = calibration_of(20 * np.eye(4)[targets], targets, task="classification")
    assert calibration is not None
    for chart in summarize(calibration, abstain=ABSTAIN).charts:
        assert inside(chart)
        assert chart.y.high > chart.y.low


def test_strange_images_are_drawn_and_reported_if_they_were_measured() -> None:
    calibration = measured()
    assert summarize(calibration).strange == ""
    drawn = {"images": 60, "rejected": 0.95, "auc": 0.99}
    ood = {"images": 300, "method": "mahalanobis", "threshold": 12.5, "false_alarms": 0.01}
    assert summarize(calibration, ood=ood).strange == ""
    text = summarize(calibration, ood={**ood, "drawn": drawn}).strange.replace("\N{NO-BREAK SPACE}", " ")
    assert text.startswith("Of 60 drawn strange images (")
    assert (
        "95.0 % are recognized as unknown. The threshold allows this for 1.0 % of the photos of known classes, too."
        in text
    )
    curve = calibration["coverage"]
    curve = {**curve, "strange": [coverage**8 for coverage in curve["coverage"]]}
    charts = summarize({**calibration, "coverage": curve}, abstain=ABSTAIN).charts
    assert len(charts) == 3
    assert charts[2].lines[0].points[-1] == (1.0, 1.0)
    assert charts[2].marks == charts[1].marks
    assert inside(charts[2])


def test_many_images_have_short_numbers_above_their_bars() -> None:
    calibration = measured()
    counts = [1, 999, 1_234, 9_999, 12_345, 999_999, 1_234_567]
    bins = [{**part, "count": count} for part, count in zip(calibration["bins"][-7:], counts, strict=True)]
    chart = summarize({**calibration, "bins": bins}).charts[0]
    assert [bar.text for bar in chart.bars] == ["1", "999", "1.2k", "10k", "12k", "1.0M", "1.2M"]


def test_without_calibration_there_is_nothing_to_show() -> None:
    metrics = {"validation": {"images": 19, "accuracy": 1.0}}
    assert summarize_calibration("classification", metrics, ModelSpec(temperature=1.0, thresholds=())) is None
