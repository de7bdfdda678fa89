"""The lines of the table, and the numbers in them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def print_row(quantity: str, measured: str, goal: str = "") -> None:
    """Print a line of the table."""
    print(f"| {quantity} | {measured} | {goal} |", flush=True)


def ratio(numbers: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(ratios(numbers, others))


def ratios(numbers: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratio of each round."""
    return [number / other for number, other in zip(numbers, others, strict=True)]


def spread(numbers: Sequence[float], form: str = ".3f") -> str:
    """Format as `median (least to most)`."""
    return f"{statistics.median(numbers):{form}} ({min(numbers):{form}} to {max(numbers):{form}})"
