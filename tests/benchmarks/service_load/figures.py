"""What is printed, and how it is summed up."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def row(figure: str, measured: str, goal: str = "") -> None:
    """A line of the table."""
    print(f"| {figure} | {measured} | {goal} |", flush=True)


def ratio(numbers: Sequence[float], others: Sequence[float]) -> float:
    """The median of the rounds' own ratios."""
    return statistics.median(ratios(numbers, others))


def ratios(numbers: Sequence[float], others: Sequence[float]) -> list[float]:
    """Round by round."""
    return [number / other for number, other in zip(numbers, others, strict=True)]


def spread(numbers: Sequence[float], form: str = ".3f") -> str:
    """The median, and the least and the most."""
    return f"{statistics.median(numbers):{form}} ({min(numbers):{form}} to {max(numbers):{form}})"
