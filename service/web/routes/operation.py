"""What a handler takes and answers, said beside the handler; the OpenAPI document is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
# What can become of any request that brings an image.
UPLOAD_PROBLEMS = (400, 408, 413, 415, 422, 429, 503)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One value of the query, the path or the headers; its kind is a type, as in `schema.schema_of`."""

    name: str
    kind: Any
    help: str
    where: Literal["query", "path", "header"] = "query"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path.

    summary   one line
    answers   content type -> type of the body of a 200
    body      content type -> type of the request's body
    empty     statuses of answers that have no body
    problems  statuses that it may answer with, besides those of every request
    public    whether it needs no API key
    """

    summary: str
    answers: Mapping[str, Any]
    body: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    empty: tuple[int, ...] = ()
    problems: tuple[int, ...] = ()
    public: bool = False


def describe(operation: Operation) -> Callable[[Function], Function]:
    """Decorator that says what a handler does."""

    def mark(function: Function) -> Function:
        function.operation = operation  # type: ignore[attr-defined]
        return function

    return mark


def operation_of(handler: Callable[..., Any]) -> Operation:
    """What was said of the handler; raises AttributeError where nothing was."""
    operation: Operation = handler.operation  # type: ignore[attr-defined]
    return operation
