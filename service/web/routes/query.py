"""The query of /v1/predict, read strictly: a value that is not understood is an error, not a default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from starlette.datastructures import QueryParams

from service.settings import DEFAULT_TOP_K
from service.web.problem import Problem
from service.web.routes.operation import Parameter

QUERY_PARAMETERS = (
    Parameter(
        name="top_k",
        kind=Annotated[int, {"minimum": 1, "maximum": 10**18 - 1, "default": DEFAULT_TOP_K}],
        help="how many classes to list; more than there are lists all",
    ),
    Parameter(
        name="heatmap",
        kind=Annotated[bool, {"default": False}],
        help="whether to say where the best class was seen; 400 where the model has no heatmaps",
    ),
    Parameter(
        name="return",
        kind=Literal["input"],
        help="answer with a PNG of exactly what the model saw, in place of what it says",
    ),
)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is asked of an image.

    top_k         how many classes to list, at least 1
    heatmap       whether to say where the best class was seen
    return_input  whether to answer with what the model saw, in place of what it says
    """

    top_k: int = DEFAULT_TOP_K
    heatmap: bool = False
    return_input: bool = False

    @classmethod
    def parse(cls, text: str | bytes) -> Query:
        """Read a query string; raises Problem 400 that names the parameter that is wrong."""
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
    if text.lower() not in _FLAGS:
        raise Problem(400, f"heatmap must be true or false, not {text[:50]!r}.")
    return _FLAGS[text.lower()]


def _return_input(text: str | None) -> bool:
    if text not in (None, "input"):
        raise Problem(400, f"return must be 'input' where it is given, not {text[:50]!r}.")
    return text == "input"
