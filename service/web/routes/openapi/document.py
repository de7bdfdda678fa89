"""The routes of the application -> the OpenAPI 3.1 document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.routing import Route

from service.web.problem import TITLES, ProblemDetails
from service.web.routes.openapi.schema import Schema, Schemas
from service.web.routes.operation import Operation, Parameter, operation_of
from service.web.routes.resource import Resource

_NAMES = re.compile(r"{(\w+)}")
_OF_PATH = {"name": "the model's name", "version": "the model's version"}
_HEADERS = {
    "Server-Timing": {"description": "How long each stage took, in milliseconds.", "type": "string"},
    "X-Request-ID": {"description": "The request's id, its own where it gave a sane one.", "type": "string"},
}
_RETRY_AFTER = {"Retry-After": {"description": "When to come again, in seconds.", "type": "integer"}}


@dataclass(frozen=True, kw_only=True)
class Info:
    """What the document says besides its routes.

    version      of the program
    with_keys    whether requests need an API key
    with_hosts   whether requests must name a trusted host
    """

    version: str
    with_keys: bool
    with_hosts: bool


def document(routes: Iterable[Route], info: Info) -> dict[str, Any]:
    """The document; raises TypeError for a route that is no Resource, AttributeError for a handler not described."""
    schemas = Schemas()
    paths: dict[str, Schema] = {}
    for route in routes:
        if not isinstance(route.endpoint, Resource):
            raise TypeError(f"the route {route.path} is no Resource")
        path = re.sub(r":\w+}", "}", route.path)
        of_path = [Parameter(name=name, kind=str, help=_OF_PATH[name], where="path") for name in _NAMES.findall(path)]
        paths[path] = {
            **({"parameters": [_parameter(parameter, schemas) for parameter in of_path]} if of_path else {}),
            **{
                method.lower(): _operation(operation_of(handler), schemas, info, handler)
                for method, handler in route.endpoint.handlers.items()
            },
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fieldguide",
            "version": info.version,
            "description": "Says what is in a photo. Every error is a problem of RFC 9457.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {str(status): _problem(status, schemas) for status in TITLES},
            **({"securitySchemes": _SCHEMES} if info.with_keys else {}),
        },
    }


_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def _operation(operation: Operation, schemas: Schemas, info: Info, handler: Callable[..., Any]) -> Schema:
    result: Schema = {
        "summary": operation.summary,
        "description": " ".join((handler.__doc__ or "").split()),
        "parameters": [_parameter(parameter, schemas) for parameter in operation.parameters],
        "responses": {
            "200": {
                "description": "Done.",
                "headers": _as_headers(_HEADERS),
                "content": {name: {"schema": schemas.of(kind)} for name, kind in operation.answers.items()},
            },
            **{
                str(status): {"description": "Nothing to send.", "headers": _as_headers(_HEADERS)}
                for status in operation.empty
            },
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in _statuses(operation, info)},
        },
    }
    if operation.body:
        result["requestBody"] = {
            "required": True,
            "content": {name: {"schema": schemas.of(kind)} for name, kind in operation.body.items()},
        }
    if info.with_keys and not operation.public:
        result["security"] = [{name: []} for name in _SCHEMES]
    return result


def _statuses(operation: Operation, info: Info) -> Iterator[int]:
    always = [500, *([400] if info.with_hosts else []), *([401] if info.with_keys and not operation.public else [])]
    yield from sorted({*operation.problems, *always})


def _parameter(parameter: Parameter, schemas: Schemas) -> Schema:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.help,
        "schema": schemas.of(parameter.kind),
    }


def _problem(status: int, schemas: Schemas) -> Schema:
    return {
        "description": TITLES[status],
        "headers": _as_headers({**_HEADERS, **(_RETRY_AFTER if status in (429, 503) else {})}),
        "content": {"application/problem+json": {"schema": schemas.of(ProblemDetails)}},
    }


def _as_headers(headers: dict[str, dict[str, str]]) -> Schema:
    return {
        name: {"description": header["description"], "schema": {"type": header["type"]}}
        for name, header in headers.items()
    }
