"""What was measured, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.side_by_side.measure import Turn


@dataclass(frozen=True, kw_only=True)
class Column:
    """A figure of a turn.

    digits          after the point
    more_is_better  else less is
    """

    title: str
    figure: Callable[[Turn], float]
    digits: int
    more_is_better: bool = False

    def advantages(self, ours: Sequence[Turn], theirs: Sequence[Turn]) -> list[float]:
        """How many times better ours is, for each round."""
        pairs = [(self.figure(our), self.figure(their)) for our, their in zip(ours, theirs, strict=True)]
        return [our / their if self.more_is_better else their / our for our, their in pairs]


RATE = Column(title="requests/s", figure=lambda turn: turn.requests_per_s, digits=1, more_is_better=True)
COLUMNS = (
    RATE,
    Column(title="p50 ms", figure=lambda turn: turn.p50_ms, digits=1),
    Column(title="p99 ms", figure=lambda turn: turn.p99_ms, digits=1),
    Column(title="CPU ms a request", figure=lambda turn: 1e3 * turn.server_s, digits=2),
    Column(title="MB when ready", figure=lambda turn: turn.ready_bytes / 1e6, digits=0),
    Column(title="MB after the load", figure=lambda turn: turn.loaded_bytes / 1e6, digits=0),
    Column(title="s to ready", figure=lambda turn: turn.ready_s, digits=2),
)


def figures(turns: Mapping[str, Sequence[Turn]], sizes: Mapping[str, int]) -> str:
    """Medians, with the least and the most; `sizes` are the bytes of the environments. Ours is the first of `turns`."""
    lines = _head([column.title for column in COLUMNS], "MB installed", "same label as ours")
    reference = next(iter(turns.values()))[0].labels
    for name, rounds in turns.items():
        cells = [spread([column.figure(turn) for turn in rounds], column.digits) for column in COLUMNS]
        agreed = sum(label == ours for label, ours in zip(rounds[0].labels, reference, strict=True)) / len(reference)
        lines.append(_row(name, *cells, f"{sizes[name] / 1e6:.0f}", f"{agreed:.1%}"))
    return "\n".join(lines)


def advantages(turns: Mapping[str, Sequence[Turn]], sizes: Mapping[str, int], goals: Mapping[str, float]) -> str:
    """How many times better ours is: medians of the rounds' own ratios, with the least and the most."""
    (ours, our_rounds), *others = turns.items()
    lines = _head([column.title for column in COLUMNS], "MB installed", "goal, requests/s")
    for name, rounds in others:
        ratios = [column.advantages(our_rounds, rounds) for column in COLUMNS]
        goal = goals.get(name)
        verdict = "" if goal is None else f"≥ {goal}: {'met' if statistics.median(ratios[0]) >= goal else 'missed'}"
        lines.append(_row(name, *(spread(ratio, 2) for ratio in ratios), f"{sizes[name] / sizes[ours]:.2f}", verdict))
    return "\n".join(lines)


def spread(numbers: Sequence[float], digits: int) -> str:
    """`median (least to most)`."""
    return f"{statistics.median(numbers):.{digits}f} ({min(numbers):.{digits}f} to {max(numbers):.{digits}f})"


def _head(titles: Sequence[str], *more: str) -> list[str]:
    return [_row("server", *titles, *more), "|" + "---|" * (1 + len(titles) + len(more))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
