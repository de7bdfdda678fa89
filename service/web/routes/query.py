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
        return cls(
            top_k=_top_k(params.get("top_k")),
            heatmap=_heatmap(params.get("heatmap", "false")),
            return_input=_return_input(params.get("return")),
        )


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
