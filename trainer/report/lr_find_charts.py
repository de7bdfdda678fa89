"""The charts of a learning rate sweep, from lr_find.json."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from trainer.report.axis import axis_over
from trainer.report.chart import Band, Chart, Line, Mark
from trainer.training.lr_find.result import LRFindResult, format_lr, read_lr_find

_TITLES = {"head": "Learning rate sweep of the head", "finetune": "Learning rate sweep of the whole network"}
_NAMES = {"minimum_tenth": "minimum / 10"}
_RULES = {
    "mean": "the mean of the suggestions",
    "edge": "where the loss begins to rise",
    "recipe": "the recipe's own, as this curve does not say",
}


def draw_sweeps(path: Path) -> tuple[Chart, ...]:
    """A chart for each stage that was swept; none where there is no such file."""
    return tuple(_draw(_TITLES[stage], found) for stage, found in read_lr_find(path).items())


def _draw(title: str, found: LRFindResult) -> Chart:
    curve = found.curve
    rates, losses, least, most = (array.tolist() for array in (curve.lrs, curve.losses, curve.lowest, curve.highest))
    suggestions = sorted((rate, _NAMES.get(name, name)) for name, rate in asdict(found.suggestions).items())
    note = f"Automatic choice: {format_lr(found.suggestion)}, {_RULES[found.rule]}."
    if not found.suggestions.agree:
        note += " The suggestions lie far apart: take them with care."
    return Chart(
        title=title,
        says=f"Suggested rates, {', '.join(f'{name}: {format_lr(rate)}' for rate, name in suggestions)}.",
        x=axis_over([*rates, *(rate for rate, _ in suggestions), found.suggestion], kind="log"),
        y=axis_over([min(loss, curve.ceiling) for loss in (*losses, *least, *most)]),
        x_name="learning rate",
        lines=[
            Line(
                name="smoothed loss, median of the sweeps", style="plain", points=list(zip(rates, losses, strict=True))
            )
        ],
        band=Band(name="from the least to the most of them", points=list(zip(rates, least, most, strict=True))),
        marks=[
            *(Mark(name=f"{name}: {format_lr(rate)}", x=rate) for rate, name in suggestions),
            Mark(name=f"chosen: {format_lr(found.suggestion)}", x=found.suggestion, strong=True),
        ],
        note=note,
    )
