"""The results as Markdown tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.side_by_side.measure import Measurement


@dataclass(frozen=True, kw_only=True)
class Column:
    """One number of a measurement.

    Attributes:
        title: Of the column.
        value: The number.
        digits: After the point.
        more_is_better: Else less is better.
    """

    title: str
    value: Callable[[Measurement], float]
    digits: int
    more_is_better: bool = False

    def advantages(self, ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> list[float]:
        """Return how many times better ours is, for each round."""
        pairs = [(self.value(our), self.value(their)) for our, their in zip(ours, theirs, strict=True)]
        return [our / their if self.more_is_better else their / our for our, their in pairs]


REQUESTS_PER_S = Column(title="requests/s", value=lambda each: each.requests_per_s, digits=1, more_is_better=True)
COLUMNS = (
    REQUESTS_PER_S,
    Column(title="p50 ms", value=lambda each: each.p50_ms, digits=1),
    Column(title="p99 ms", value=lambda each: each.p99_ms, digits=1),
    Column(title="CPU ms a request", value=lambda each: 1e3 * each.server_s, digits=2),
    Column(title="MB when ready", value=lambda each: each.ready_bytes / 1e6, digits=0),
    Column(title="MB after the load", value=lambda each: each.loaded_bytes / 1e6, digits=0),
    Column(title="s to ready", value=lambda each: each.ready_s, digits=2),
)


def measurements_table(measured: Mapping[str, Sequence[Measurement]], sizes: Mapping[str, int]) -> str:
    """Format medians, with the least and the most.

    Args:
        measured: Server -> its measurements, one for each round; ours is the first.
        sizes: Server -> bytes of its environment.
    """
    lines = _head([column.title for column in COLUMNS], "MB installed", "same label as ours")
    reference = next(iter(measured.values()))[0].labels
    for name, rounds in measured.items():
        cells = [spread([column.value(each) for each in rounds], column.digits) for column in COLUMNS]
        agreement = sum(label == ours for label, ours in zip(rounds[0].labels, reference, strict=True)) / len(reference)
        lines.append(_row(name, *cells, f"{sizes[name] / 1e6:.0f}", f"{agreement:.1%}"))
    return "\n".join(lines)


def advantages_table(
    measured: Mapping[str, Sequence[Measurement]], sizes: Mapping[str, int], ours: str, goals: Mapping[str, float]
) -> str:
    """Format how many times better one server is: medians of the rounds' ratios, with the least and the most."""
    our_rounds = measured[ours]
    lines = _head([column.title for column in COLUMNS], "MB installed", "goal, requests/s")
    for name, rounds in measured.items():
        if name == ours:
            continue
        ratios = [column.advantages(our_rounds, rounds) for column in COLUMNS]
        goal = goals.get(name)
        reached = "" if goal is None else f"≥ {goal}: {'met' if statistics.median(ratios[0]) >= goal else 'missed'}"
        lines.append(_row(name, *(spread(ratio, 2) for ratio in ratios), f"{sizes[name] / sizes[ours]:.2f}", reached))
    return "\n".join(lines)


def spread(numbers: Sequence[float], digits: int) -> str:
    """Format as `median (least to most)`."""
    return f"{statistics.median(numbers):.{digits}f} ({min(numbers):.{digits}f} to {max(numbers):.{digits}f})"


def _head(titles: Sequence[str], *more: str) -> list[str]:
    return [_row("server", *titles, *more), "|" + "---|" * (1 + len(titles) + len(more))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
