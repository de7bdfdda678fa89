"""Values as short texts: the filters of the page's template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_SPACE = "\N{NO-BREAK SPACE}"
_MAX_ITEMS = 8


def spaced(name: str) -> str:
    """Turn the name of a metric or a finding into words: macro_f1 -> macro F1."""
    return name.replace("_", " ").replace("-", " ").replace(" f1", " F1")


def humanize(name: str) -> str:
    """Turn a name into words with a capital at the start: too-few-epochs -> Too few epochs."""
    words = spaced(name)
    return words[:1].upper() + words[1:]


def percent(fraction: float | None, digits: int = 1) -> str:
    """0.868 -> 86.8 %; a dash for None."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}{_SPACE}%"


def duration(seconds: float) -> str:
    """668 -> 11 min 8 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{_SPACE}h {minutes}{_SPACE}min"
    return f"{minutes}{_SPACE}min {rest}{_SPACE}s" if minutes else f"{seconds:.2g}{_SPACE}s"


def compact(value: object) -> str:
    """Turn any value of a JSON file into a text that is short enough to read."""
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return _join([f"{humanize(str(name)).lower()} {compact(item)}" for name, item in value.items()])
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _join([compact(item) for item in value])
    return str(value)


def _join(items: Sequence[str]) -> str:
    more = f" and {len(items) - _MAX_ITEMS:,} more" if len(items) > _MAX_ITEMS else ""
    return ", ".join(items[:_MAX_ITEMS]) + more
