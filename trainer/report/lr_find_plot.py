"""The plot of the learning rate finder as a PNG, drawn by matplotlib."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from trainer.atomic import atomic_write_bytes
from trainer.training.lr_find.result import LRFindResult, Stage, format_lr

_BACKGROUND_COLOUR = "#fffefb"
_TEXT_COLOUR = "#1d231f"
_MUTED_COLOUR = "#5d665f"
_GRID_COLOUR = "#dddcd2"
_CURVE_COLOUR = "#1f6aa5"
_SUGGESTION_COLOUR = "#2f6b4f"

_WIDTH_INCHES = 9.0
_PANEL_HEIGHT_INCHES = 4.6
_DOTS_PER_INCH = 160
_SUBTITLE_CHARACTERS = 110  # of a line
_SUBTITLE_LINE_POINTS = 12

_TITLES: Mapping[Stage, str] = {"head": "Head, on the frozen backbone", "finetune": "Fine-tuning"}


@dataclass(frozen=True, kw_only=True)
class _Mark:
    """A learning rate with its name; `strong` for the final suggestion, not for those of the single methods."""

    name: str
    lr: float
    strong: bool = False

    @property
    def colour(self) -> str:
        return _SUGGESTION_COLOUR if self.strong else _TEXT_COLOUR


def write_lr_find_plot(path: Path, results: Mapping[Stage, LRFindResult]) -> None:
    """Write a PNG with one panel per stage; an existing file is replaced once the new one is complete.

    A panel shows the smoothed loss over the learning rate: the median of the sweeps, and a band from the lowest to the
    highest. Above it stands a row for each method that suggests a learning rate, and one for the final suggestion.

    Args:
        path: File to write.
        results: Result of each stage that was swept, at least one.
    """
    height = _PANEL_HEIGHT_INCHES * len(results)
    figure = Figure(figsize=(_WIDTH_INCHES, height), facecolor=_BACKGROUND_COLOUR)
    panels = figure.add_gridspec(
        len(results), 1, left=0.125, right=0.97, top=1 - 0.9 / height, bottom=0.6 / height, hspace=0.48
    )
    for number, (stage, result) in enumerate(results.items()):
        _draw_panel(figure, panels[number, 0], _TITLES[stage], result)
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(png, format="png", dpi=_DOTS_PER_INCH, facecolor=_BACKGROUND_COLOUR)
    atomic_write_bytes(path, png.getvalue())


def _draw_panel(figure: Figure, panel: SubplotSpec, title: str, result: LRFindResult) -> None:
    parts = panel.subgridspec(2, 1, height_ratios=(1, 2.6), hspace=0.0)
    curve_axes = figure.add_subplot(parts[1, 0])
    row_axes = figure.add_subplot(parts[0, 0], sharex=curve_axes)
    _draw_curve(curve_axes, result)
    _draw_rows(row_axes, result)
    for mark in _marks(result):
        for axes in (row_axes, curve_axes):
            axes.axvline(
                mark.lr, color=_SUGGESTION_COLOUR if mark.strong else _MUTED_COLOUR,
                linewidth=1.4 if mark.strong else 0.8, zorder=1, linestyle="-" if mark.strong else (0, (3, 3)),
            )  # fmt: skip
    text = textwrap.fill(result.explanation[0].upper() + result.explanation[1:] + ".", _SUBTITLE_CHARACTERS)
    pad = 24 + _SUBTITLE_LINE_POINTS * text.count("\n")
    row_axes.set_title(title, loc="left", fontsize=13, fontweight="bold", color=_TEXT_COLOUR, pad=pad)
    row_axes.annotate(text, (0, 1), (0, 8), "axes fraction", "offset points", fontsize=9.2, color=_MUTED_COLOUR)


def _marks(result: LRFindResult) -> list[_Mark]:
    """The marked learning rates, in the order of their rows from the bottom."""
    suggestions = result.suggestions
    return [
        _Mark(name="suggestion", lr=result.suggestion, strong=True),
        _Mark(name="minimum / 10", lr=suggestions.minimum_tenth),
        _Mark(name="steepest", lr=suggestions.steepest),
        _Mark(name="valley", lr=suggestions.valley),
    ]


def _draw_rows(axes: Axes, result: LRFindResult) -> None:
    """Draw one row per mark: its name at the left edge, a dot at its learning rate, and the number beside the dot."""
    marks = _marks(result)
    low, high = axes.get_xlim()
    for row, mark in enumerate(marks):
        axes.scatter([mark.lr], [row], s=46 if mark.strong else 30, color=mark.colour, zorder=3)
        text_on_right = math.log(mark.lr / low) < 0.8 * math.log(high / low)
        axes.annotate(
            format_lr(mark.lr), (mark.lr, row), (8 if text_on_right else -8, 0), textcoords="offset points",
            va="center", ha="left" if text_on_right else "right", fontsize=9, color=mark.colour,
            fontweight="bold" if mark.strong else "normal", zorder=2,
            bbox={"facecolor": _BACKGROUND_COLOUR, "edgecolor": "none", "pad": 1.2},
        )  # fmt: skip
    axes.set_facecolor(_BACKGROUND_COLOUR)
    axes.set_ylim(-1.1, len(marks) - 0.3)
    axes.set_yticks(range(len(marks)), [mark.name for mark in marks], fontsize=9)
    axes.tick_params(axis="both", length=0, labelbottom=False, colors=_TEXT_COLOUR)
    axes.tick_params(axis="x", which="both", length=0, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_curve(axes: Axes, result: LRFindResult) -> None:
    curve = result.curve
    axes.set_facecolor(_BACKGROUND_COLOUR)
    axes.plot(
        curve.lrs, curve.losses, color=_CURVE_COLOUR, linewidth=2.2, zorder=3, solid_capstyle="round",
        label="median of the sweeps",
    )  # fmt: skip
    axes.fill_between(
        curve.lrs, curve.lowest, curve.highest, color=_CURVE_COLOUR, alpha=0.16, linewidth=0, zorder=2,
        label="range of the sweeps",
    )  # fmt: skip
    axes.legend(
        loc="upper right", bbox_to_anchor=(1.0, -0.1), borderaxespad=0, ncols=2, frameon=False, fontsize=9,
        labelcolor=_MUTED_COLOUR,
    )  # fmt: skip
    axes.set_xscale("log")
    marked = [mark.lr for mark in _marks(result)]
    axes.set_xlim(min(curve.lrs[0], *marked) / 1.3, max(curve.lrs[-1], *marked))
    lowest, highest = float(curve.lowest.min()), curve.ceiling
    axes.set_ylim(lowest - 0.08 * (highest - lowest), highest)
    axes.xaxis.set_major_locator(LogLocator(10))
    axes.xaxis.set_minor_locator(LogLocator(10, subs=range(2, 10)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_lr(value, digits=0)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(5, prune="upper"))
    axes.grid(axis="y", color=_GRID_COLOUR, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("learning rate", loc="left", fontsize=10, color=_TEXT_COLOUR)
    axes.set_ylabel("smoothed training loss", fontsize=10, color=_TEXT_COLOUR)
    axes.tick_params(colors=_MUTED_COLOUR, labelsize=9)
    axes.tick_params(which="minor", color=_GRID_COLOUR)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(_MUTED_COLOUR)
