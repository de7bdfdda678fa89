"""GET /openapi.json: the routes of the application as an OpenAPI 3.1 document."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.problem import TITLES, ProblemDetails
from service.web.routes.endpoint import Endpoint, Operation, Parameter, describe, operation_of
from service.web.routes.openapi.schema import Schema, Schemas

_PATH_PARAMETER_PATTERN = re.compile(r"{(\w+)}")
_VERSION_PARAMETER = "version"
_PATH_PARAMETER_DESCRIPTIONS = {"name": "the model's name", "version": "the model's version"}
_HEADERS = {
    "Server-Timing": {"description": "Duration of each stage, in milliseconds.", "type": "string"},
    "X-Request-ID": {
        "description": "The client's own request id if it is valid, else a new one.",
        "type": "string",
    },
}
# With an optional parameter openapi-python-client also writes valid code for operations with several kinds of body.
_REQUEST_ID = Parameter(
    name="X-Request-ID",
    annotation=str,
    description="the id of the request in the log, if it is valid",
    location="header",
)
_RETRY_AFTER = {"Retry-After": {"description": "When to try again, in seconds.", "type": "integer"}}
# What each status of a problem means here. The phrases of RFC 9110 alone do not say it.
_MEANINGS = {
    400: "The request is malformed: no image, a broken form, or a wrong parameter; or its Host is not trusted.",
    401: "There is no API key, or a wrong one.",
    404: "There is nothing at this path, or the model has another name or version.",
    405: "The path does not have this method; the header Allow lists those that it has.",
    408: "The headers or the body did not arrive in time.",
    413: "The body is longer than the limit.",
    415: "The body is no image of a format that is accepted, or has a Content-Type or Content-Encoding that is not.",
    422: "The image cannot be decoded, or has more pixels or a longer side than the limits allow.",
    429: "Every slot and every place in the queue is taken.",
    431: "The headers are too long, or too many.",
    500: "The service has failed; its log says why, under the id of the request.",
    503: "The model is not loaded yet, the deadline has passed, too many connections are open, the latest requests "
    "failed, every thread is stuck, or the service is stopping.",
}
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, if the service has keys."},
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key in a header of its own.",
    },
}


@dataclass(frozen=True, kw_only=True)
class DocumentInfo:
    """What the document says besides the routes.

    Attributes:
        version: Version of the program.
        needs_key: Whether requests need an API key.
        needs_trusted_host: Whether requests must name a trusted host.
    """

    version: str
    needs_key: bool
    needs_trusted_host: bool


class OpenAPIHandler:
    """The handler. It is one of the routes that the document describes, so it gets the document afterwards."""

    def __init__(self, info: DocumentInfo) -> None:
        self._info = info
        self._content = b""

    def set_routes(self, routes: Sequence[Route]) -> None:
        """Create the document; raises what `document` raises."""
        self._content = json.dumps(document(routes, self._info)).encode()

    @describe(
        Operation(
            name="get_openapi",
            summary="The OpenAPI document",
            responses={"application/json": dict[str, Any]},
            public=True,
        )
    )
    async def get(self, _request: Request) -> Response:
        """Return the OpenAPI 3.1 document of this service, with its present settings."""
        return Response(self._content, media_type="application/json", headers={"Cache-Control": "no-cache"})


def document(routes: Iterable[Route], info: DocumentInfo) -> dict[str, Any]:
    """Create the OpenAPI document.

    Raises:
        TypeError: If a route is not an Endpoint.
        AttributeError: If a handler has no description.
        ValueError: If two operations have the same name.
    """
    schemas = Schemas()
    paths: dict[str, Schema] = {}
    names: set[str] = set()
    for route in routes:
        if not isinstance(route.endpoint, Endpoint):
            raise TypeError(f"the route {route.path} is not an Endpoint")
        path = re.sub(r":\w+}", "}", route.path)
        handlers = {
            method: handler for method, handler in route.endpoint.handlers.items() if operation_of(handler).name
        }
        if not handlers:
            continue
        parameters = _PATH_PARAMETER_PATTERN.findall(path)
        paths[path] = {
            **({"parameters": [_path_parameter(name, schemas) for name in parameters]} if parameters else {}),
            **{
                method.lower(): {"operationId": _operation_id(handler, parameters, names)}
                | _operation(handler, schemas, info)
                for method, handler in handlers.items()
            },
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fieldguide",
            "version": info.version,
            "description": "Classifies photos. Every error is a problem of RFC 9457.",
        },
        "servers": [{"url": "."}],  # relative to the document, so that it holds behind a proxy with a prefix
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {str(status): _problem(status, schemas) for status in _MEANINGS},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _operation_id(handler: Callable[..., Any], path_parameters: Sequence[str], names: set[str]) -> str:
    """Return the name of an operation, and add it to the names so far; raises ValueError if it is one of them."""
    name = operation_of(handler).name
    if _VERSION_PARAMETER in path_parameters:  # the same handler also has a path without the model's version
        name += "_of_version"
    if name in names:
        raise ValueError(f"two operations have the name {name!r}")
    names.add(name)
    return name


def _operation(handler: Callable[..., Any], schemas: Schemas, info: DocumentInfo) -> Schema:
    operation = operation_of(handler)
    result: Schema = {
        "summary": operation.summary,
        "description": " ".join((handler.__doc__ or "").split()),
        "parameters": [
            _parameter(parameter, schemas)
            for parameter in (*operation.parameters, *([_REQUEST_ID] if operation.body else []))
        ],
        "responses": {
            "200": {
                "description": "Success.",
                "headers": _as_headers(_HEADERS),
                "content": {name: {"schema": schemas.of(body)} for name, body in operation.responses.items()},
            },
            **{
                str(status): {"description": "No content.", "headers": _as_headers(_HEADERS)}
                for status in operation.empty_responses
            },
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in _statuses(operation, info)},
        },
    }
    if operation.body:
        result["requestBody"] = _request_body(operation, schemas)
    if info.needs_key and not operation.public:
        result["security"] = [{name: []} for name in _SECURITY_SCHEMES]
    return result


def _request_body(operation: Operation, schemas: Schemas) -> Schema:
    """The body of the request. Generators cannot write a range of media types, such as image/*, so text has these."""
    ranges = [name for name in operation.body if name.endswith("/*")]
    return {
        "required": True,
        **({"description": f"The bytes of the image also as {', '.join(ranges)}."} if ranges else {}),
        "content": {name: {"schema": schemas.of(body)} for name, body in operation.body.items() if name not in ranges},
    }


def _statuses(operation: Operation, info: DocumentInfo) -> Iterator[int]:
    statuses = {*operation.problems, 500}
    if info.needs_trusted_host:
        statuses.add(400)
    if info.needs_key and not operation.public:
        statuses.add(401)
    yield from sorted(statuses)


def _path_parameter(name: str, schemas: Schemas) -> Schema:
    description = _PATH_PARAMETER_DESCRIPTIONS[name]
    return _parameter(Parameter(name=name, annotation=str, description=description, location="path"), schemas)


def _parameter(parameter: Parameter, schemas: Schemas) -> Schema:
    return {
        "name": parameter.name,
        "in": parameter.location,
        "required": parameter.location == "path",
        "description": parameter.description,
        "schema": schemas.of(parameter.annotation),
    }


def _problem(status: int, schemas: Schemas) -> Schema:
    return {
        "description": f"{TITLES[status]}. {_MEANINGS[status]}",
        "headers": _as_headers({**_HEADERS, **(_RETRY_AFTER if status in (429, 503) else {})}),
        "content": {"application/problem+json": {"schema": schemas.of(ProblemDetails)}},
    }


def _as_headers(headers: dict[str, dict[str, str]]) -> Schema:
    return {
        name: {"description": header["description"], "schema": {"type": header["type"]}}
        for name, header in headers.items()
    }
