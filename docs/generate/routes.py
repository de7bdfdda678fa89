"""The page of the HTTP API, from the OpenAPI document that the service serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.routing import Route, Router

from docs.generate.markdown import anchor, code, link, table
from docs.generate.schemas import default_of, described, schema_lines, type_of
from service.settings import Settings
from service.web.app import create_app
from service.web.engine import Engine
from service.web.routes.openapi import DocumentInfo, document

_TEXT = """\
# Routes

A running service describes the same routes in `/openapi.json`, and on `/docs` each can be tried in a browser. `/` is
the page for people. Every path also answers `OPTIONS` with the methods that it has, and every path with `GET` answers
`HEAD`. "Needs an API key": only if the service has keys; without a key the response is 401.
"""
_PROBLEMS = """\
## Problems

Every error is a problem of RFC 9457 (`application/problem+json`). Any request can also get 400 or 431 for its headers,
404 for its path, 405 for its method, and 503 if too many connections are open.
"""


def service_routes() -> list[Route]:
    """Every route of the service with its default settings."""
    engine = Engine(threads=1)
    engine.close()  # nothing runs on its thread
    app = create_app(engine, Settings())
    assert isinstance(app, Router)
    return [route for route in app.routes if isinstance(route, Route)]


def routes_page() -> str:
    """The page, Markdown."""
    info = DocumentInfo(version="", needs_key=True, needs_trusted_host=False)
    api = document(service_routes(), info)
    operations = [
        (f"{method.upper()} {path}", operation, item.get("parameters", []))
        for path, item in api["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    ]
    rows = [(link(code(title), anchor(title)), operation["summary"]) for title, operation, _ in operations]
    lines = [_TEXT, *table(("route", "what it does"), rows)]
    for title, operation, of_path in operations:
        lines += _operation(title, operation, [*of_path, *operation["parameters"]])
    lines += _problems(api["components"]["responses"])
    lines += ["## Bodies", "", "The objects in bodies of requests and responses, by name.", ""]
    for name, schema in sorted(api["components"]["schemas"].items()):
        lines += schema_lines(name, schema)
    return "\n".join(lines)


def _operation(title: str, operation: dict[str, Any], parameters: list[dict[str, Any]]) -> Iterator[str]:
    key = "Needs an API key." if "security" in operation else "Needs no API key."
    yield from (f"## {title}", "", f"{operation['summary']}.", "", f"{operation['description']} {key}", "")
    yield from table(("parameter", "in", "type", "default", "what it is"), map(_parameter, parameters))
    if "requestBody" in operation:
        yield from ("Body of the request, one of:", "")
        yield from table(("Content-Type", "body"), _bodies(operation["requestBody"]["content"]))
        if "description" in operation["requestBody"]:
            yield from (operation["requestBody"]["description"], "")
    yield from table(("status", "Content-Type", "body"), _responses(operation["responses"]))
    statuses = [status for status, response in operation["responses"].items() if "$ref" in response]
    yield from (f"Problems: {', '.join(statuses)} ({link('what they mean', '#problems')}).", "")


def _parameter(parameter: dict[str, Any]) -> tuple[str, str, str, str, str]:
    schema = parameter["schema"]
    return (
        code(parameter["name"]),
        parameter["in"],
        described(schema),
        default_of(schema),
        parameter["description"],
    )


def _bodies(content: dict[str, Any]) -> list[tuple[str, str]]:
    return [(code(media_type), type_of(body["schema"])) for media_type, body in content.items()]


def _responses(responses: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Rows of the responses that are no problems."""
    for status, response in responses.items():
        if "content" in response:
            yield from ((status, media_type, body) for media_type, body in _bodies(response["content"]))
        elif "$ref" not in response:
            yield status, "", response["description"]


def _problems(responses: dict[str, Any]) -> Iterator[str]:
    yield _PROBLEMS
    yield from table(("status", "what it means"), [(name, found["description"]) for name, found in responses.items()])
    (schema,) = {type_of(body["schema"]) for found in responses.values() for body in found["content"].values()}
    yield from (f"The body is a {schema}. Headers of problems, and of other responses:", "")
    headers = {name: header for found in responses.values() for name, header in found["headers"].items()}
    rows = [(code(name), type_of(header["schema"]), header["description"]) for name, header in headers.items()]
    yield from table(("header", "type", "what it is"), rows)
