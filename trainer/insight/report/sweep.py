"""The charts of a learning rate sweep, from lr_find.json."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from trainer.fitting.rate_search.found_rate import FoundRate, rate_text, read_found
from trainer.insight.report.axis import axis_over
from trainer.insight.report.chart import Band, Chart, Line, Mark

_TITLES = {"head": "Learning rate sweep of the head", "whole": "Learning rate sweep of the whole network"}
_NAMES = {"minimum_tenth": "minimum / 10"}
_RULES = {
    "mean": "the mean of the suggestions",
    "edge": "where the loss begins to rise",
    "own": "the recipe's own, as this curve does not say",
}


def draw_sweeps(path: Path) -> tuple[Chart, ...]:
    """A chart for each stage that was swept; none where there is no such file."""
    return tuple(_draw(_TITLES[stage], found) for stage, found in read_found(path).items())


def _draw(title: str, found: FoundRate) -> Chart:
    curve = found.curve
    rates, losses, least, most = (array.tolist() for array in (curve.rates, curve.losses, curve.least, curve.most))
    suggestions = sorted((rate, _NAMES.get(name, name)) for name, rate in asdict(found.suggestions).items())
    note = f"Automatic choice: {rate_text(found.chosen)}, {_RULES[found.rule]}."
    if not found.suggestions.agree:
        note += " The suggestions lie far apart: take them with care."
    return Chart(
        title=title,
        says=f"Suggested rates, {', '.join(f'{name}: {rate_text(rate)}' for rate, name in suggestions)}.",
        x=axis_over([*rates, *(rate for rate, _ in suggestions), found.chosen], kind="log"),
        y=axis_over([min(loss, curve.ceiling) for loss in (*losses, *least, *most)]),
        x_name="learning rate",
        lines=[
            Line(
                name="smoothed loss, median of the sweeps", style="plain", points=list(zip(rates, losses, strict=True))
            )
        ],
        band=Band(name="from the least to the most of them", points=list(zip(rates, least, most, strict=True))),
        marks=[
            *(Mark(name=f"{name}: {rate_text(rate)}", x=rate) for rate, name in suggestions),
            Mark(name=f"chosen: {rate_text(found.chosen)}", x=found.chosen, strong=True),
        ],
        note=note,
    )
