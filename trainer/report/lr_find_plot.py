"""lr_find.png: the curves of the learning rate sweeps, and what they suggest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from trainer.training.lr_find.result import LRFindResult, Stage, format_lr

_PAPER, _INK, _MUTED, _LINE = "#fffefb", "#1d231f", "#5d665f", "#dddcd2"
_CURVE, _CHOSEN = "#1f6aa5", "#2f6b4f"
_TITLES: Mapping[Stage, str] = {"head": "The head, on the frozen body", "finetune": "The whole network"}
_WIDTH, _PANEL_HEIGHT, _DOTS_A_UNIT = 9.0, 4.6, 160


def draw_sweeps(path: Path, found: Mapping[Stage, LRFindResult]) -> None:
    """Write a PNG with a panel for each stage; what stood at `path` is replaced, whole or not at all.

    A panel has the smoothed loss over the rate (the median of the sweeps, and a band from the least to the most of
    them); above it a row for each suggestion, and one for the rate that `fit --lr auto` takes.
    """
    figure = Figure(figsize=(_WIDTH, _PANEL_HEIGHT * len(found)), facecolor=_PAPER)
    panels = figure.add_gridspec(
        len(found), 1, left=0.125, right=0.97, top=1 - 0.75 / (_PANEL_HEIGHT * len(found)),
        bottom=0.6 / (_PANEL_HEIGHT * len(found)), hspace=0.42,
    )  # fmt: skip
    for number, (stage, rate) in enumerate(found.items()):
        _draw_panel(figure, panels[number, 0], _TITLES[stage], rate)
    partial = path.with_name(f".{path.name}.partial")
    FigureCanvasAgg(figure).print_figure(partial, format="png", dpi=_DOTS_A_UNIT, facecolor=_PAPER)
    partial.replace(path)


def _draw_panel(figure: Figure, place: SubplotSpec, title: str, rate: LRFindResult) -> None:
    parts = place.subgridspec(2, 1, height_ratios=(1, 2.6), hspace=0.0)
    below = figure.add_subplot(parts[1, 0])
    above = figure.add_subplot(parts[0, 0], sharex=below)
    _draw_curve(below, rate)
    _draw_rows(above, rate)
    for _, value, strong in _suggested(rate):
        for axes in (above, below):
            axes.axvline(value, color=_CHOSEN if strong else _MUTED, linewidth=1.4 if strong else 0.8, zorder=1,
                         linestyle="-" if strong else (0, (3, 3)))  # fmt: skip
    above.set_title(title, loc="left", fontsize=13, fontweight="bold", color=_INK, pad=24)
    says = rate.explanation[0].upper() + rate.explanation[1:] + "."
    above.annotate(says, (0, 1), (0, 8), "axes fraction", "offset points", fontsize=9.2, color=_MUTED)


def _suggested(rate: LRFindResult) -> list[tuple[str, float, bool]]:
    """(name, rate, whether it is the chosen one), in the order of the rows from the bottom."""
    asked = rate.suggestions
    return [
        ("suggestion", rate.suggestion, True),
        ("minimum / 10", asked.minimum_tenth, False),
        ("steepest", asked.steepest, False),
        ("valley", asked.valley, False),
    ]


def _draw_rows(axes: Axes, rate: LRFindResult) -> None:
    """A row for each rate: its name at the side, a dot at its place, the number beside the dot."""
    low, high = axes.get_xlim()
    for row, (_, value, strong) in enumerate(_suggested(rate)):
        colour = _CHOSEN if strong else _INK
        axes.scatter([value], [row], s=46 if strong else 30, color=colour, zorder=3)
        right = math.log(value / low) < 0.8 * math.log(high / low)
        axes.annotate(
            format_lr(value), (value, row), (8 if right else -8, 0), textcoords="offset points", va="center",
            ha="left" if right else "right", fontsize=9, color=colour, fontweight="bold" if strong else "normal",
            bbox={"facecolor": _PAPER, "edgecolor": "none", "pad": 1.2}, zorder=2,
        )  # fmt: skip
    axes.set_facecolor(_PAPER)
    axes.set_ylim(-1.1, len(_suggested(rate)) - 0.3)
    axes.set_yticks(range(len(_suggested(rate))), [name for name, *_ in _suggested(rate)], fontsize=9)
    axes.tick_params(axis="both", length=0, labelbottom=False, colors=_INK)
    axes.tick_params(axis="x", which="both", length=0, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_curve(axes: Axes, rate: LRFindResult) -> None:
    curve = rate.curve
    axes.set_facecolor(_PAPER)
    axes.plot(
        curve.lrs,
        curve.losses,
        color=_CURVE,
        linewidth=2.2,
        zorder=3,
        solid_capstyle="round",
        label="median of the sweeps",
    )
    axes.fill_between(
        curve.lrs,
        curve.lowest,
        curve.highest,
        color=_CURVE,
        alpha=0.16,
        linewidth=0,
        zorder=2,
        label="from the least to the most",
    )
    axes.legend(
        loc="upper right", bbox_to_anchor=(1.0, -0.1), borderaxespad=0, ncols=2, frameon=False, fontsize=9,
        labelcolor=_MUTED,
    )  # fmt: skip
    axes.set_xscale("log")
    marked = [value for _, value, _ in _suggested(rate)]
    axes.set_xlim(min(curve.lrs[0], *marked) / 1.3, max(curve.lrs[-1], *marked))
    least, most = float(curve.lowest.min()), curve.ceiling
    axes.set_ylim(least - 0.08 * (most - least), most)
    axes.xaxis.set_major_locator(LogLocator(10))
    axes.xaxis.set_minor_locator(LogLocator(10, subs=range(2, 10)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_lr(value, digits=0)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(5, prune="upper"))
    axes.grid(axis="y", color=_LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("learning rate", loc="left", fontsize=10, color=_INK)
    axes.set_ylabel("smoothed training loss", fontsize=10, color=_INK)
    axes.tick_params(colors=_MUTED, labelsize=9)
    axes.tick_params(which="minor", color=_LINE)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_MUTED)
