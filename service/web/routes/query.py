"""The query of /v1/predict, parsed strictly: a value that is not understood is an error, not a default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from starlette.datastructures import QueryParams

from service.problem import Problem
from service.settings import DEFAULT_TOP_K
from service.web.routes.endpoint import Parameter

QUERY_PARAMETERS = (
    Parameter(
        name="top_k",
        annotation=Annotated[int, {"minimum": 1, "maximum": 10**18 - 1, "default": DEFAULT_TOP_K}],
        description="how many classes to list; if the model has fewer, all of them",
    ),
    Parameter(
        name="heatmap",
        annotation=Annotated[bool, {"default": False}],
        description="whether to return a heatmap of the best class; 400 if the model gives no heatmaps",
    ),
    Parameter(
        name="return",
        annotation=Literal["input"],
        description="return a PNG of exactly what the model sees, in place of a prediction",
    ),
)
_NAMES = tuple(parameter.name for parameter in QUERY_PARAMETERS)
_MAX_TYPO_CHARACTERS = 1 + max(map(len, _NAMES))
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, kw_only=True)
class Query:
    """The parsed query.

    Attributes:
        top_k: How many classes to list, at least 1.
        heatmap: Whether to return a heatmap of the best class.
        return_input: Whether to return what the model sees, in place of a prediction.
    """

    top_k: int = DEFAULT_TOP_K
    heatmap: bool = False
    return_input: bool = False

    @classmethod
    def parse(cls, text: str | bytes) -> Query:
        """Parse a query string; raises Problem 400 that names the wrong parameter."""
        if not text:
            return cls()
        params = QueryParams(text)
        for name in params:
            _check_name(name)
        return cls(
            top_k=_top_k(params.get("top_k")),
            heatmap=_heatmap(params.get("heatmap", "false")),
            return_input=_return_input(params.get("return")),
        )


def _check_name(name: str) -> None:
    """Raise Problem 400 for a parameter that was meant to be one of ours; others may be for a proxy or a log."""
    if name in _NAMES or len(name) > 2 * _MAX_TYPO_CHARACTERS:
        return
    plain = _plain(name)
    for meant in _NAMES:
        if plain == _plain(meant) or _is_one_edit(plain, _plain(meant)):
            raise Problem(400, f"There is no query parameter {name!r}; write {meant!r}.")


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _is_one_edit(one: str, other: str) -> bool:
    """Return whether a character added, left out, replaced, or swapped with the next one makes one of the other."""
    short, long = sorted((one, other), key=len)
    start = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) == len(long):
        swapped = short[:start] + short[start : start + 2][::-1] + short[start + 2 :]
        return short[start + 1 :] == long[start + 1 :] or swapped == long
    return short[start:] == long[start + 1 :]


def _top_k(text: str | None) -> int:
    if text is None:
        return DEFAULT_TOP_K
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) >= 1):
        raise Problem(400, f"top_k must be a whole number of at least 1, not {text[:50]!r}.")
    return int(text)


def _heatmap(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise Problem(400, f"heatmap must be true or false, not {text[:50]!r}.")
    return _BOOLEANS[text.lower()]


def _return_input(text: str | None) -> bool:
    if text not in (None, "input"):
        raise Problem(400, f"return must be 'input' if it is given, not {text[:50]!r}.")
    return text == "input"
