"""Values as words: the filters of the report's template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_SPACE = "\N{NO-BREAK SPACE}"
_LISTED = 8


def percent(share: float | None, digits: int = 1) -> str:
    """0.868 -> 86.8 %; a dash where there is no share."""
    return "–" if share is None else f"{100 * share:.{digits}f}{_SPACE}%"


def duration(seconds: float) -> str:
    """668 -> 11 min 8 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{_SPACE}h {minutes}{_SPACE}min"
    return f"{minutes}{_SPACE}min {rest}{_SPACE}s" if minutes else f"{seconds:.2g}{_SPACE}s"


def words(name: str) -> str:
    """too-few-epochs -> Too few epochs."""
    text = name.replace("_", " ").replace("-", " ").replace(" f1", " F1")
    return text[:1].upper() + text[1:]


def fact(value: object) -> str:
    """Any value of a JSON file, short enough to read."""
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return _listed([f"{words(str(name)).lower()} {fact(item)}" for name, item in value.items()])
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _listed([fact(item) for item in value])
    return str(value)


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - _LISTED:,} more" if len(items) > _LISTED else ""
    return ", ".join(items[:_LISTED]) + more
