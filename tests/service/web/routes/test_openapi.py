"""The OpenAPI document: valid, complete, and true of a running service."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from service.web.routes.openapi.schema import Schemas
from tests.support.routes import API, PAGES, ROUTES
from tests.support.server import RunningServer

ROOT = Path(__file__).resolve().parents[4]
KEY = "a-key-of-the-variable"


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_is_valid_with_keys_too(bundle_path: Path) -> None:
    flags = ["--trusted-hosts", "127.0.0.1"]
    with RunningServer(bundle_path, *flags, environ={"FIELDGUIDE_API_KEYS": KEY}) as running:
        document = httpx.get(running.url + "/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    assert document["paths"]["/v1/predict"]["post"]["security"] == [{"bearer": []}, {"header": []}]
    assert "security" not in document["paths"]["/livez"]["get"]
    assert {"400", "401"} <= set(document["paths"]["/v1/model"]["get"]["responses"])


def test_describes_every_route_and_method(document: dict[str, Any]) -> None:
    methods = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
    assert {path: methods & set(item) for path, item in document["paths"].items()} == {
        path: {"post" if "POST" in allow else "get"} for path, allow in API.items()
    }


def test_has_no_pages(document: dict[str, Any]) -> None:
    assert not set(PAGES) & set(document["paths"])
    assert set(PAGES) < set(ROUTES)


def test_each_operation_has_a_name_that_generators_can_write(document: dict[str, Any]) -> None:
    names = [
        item[method]["operationId"] for item in document["paths"].values() for method in set(item) - {"parameters"}
    ]
    assert len(names) == len(set(names)) == len(API)
    assert all(re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in names)
    assert document["paths"]["/v1/predict"]["post"]["operationId"] == "predict"


def test_paths_are_relative_to_the_document(document: dict[str, Any]) -> None:
    """So that they hold behind a proxy with a prefix."""
    assert document["servers"] == [{"url": "."}]


def schemas_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document, schemas among them."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from schemas_in(item)


def test_schemas_are_those_that_generators_know(document: dict[str, Any]) -> None:
    found = list(schemas_in(document))
    enums = [schema for schema in found if isinstance(schema.get("enum"), list)]
    assert enums
    assert {(schema.get("type"), type(value)) for schema in enums for value in schema["enum"]} <= {
        ("string", str),
        ("integer", int),
    }
    binary = [schema for schema in found if "contentMediaType" in schema]
    assert binary
    assert {schema["format"] for schema in binary} == {"binary"}
    bodies = [schema["requestBody"]["content"] for schema in found if "requestBody" in schema]
    assert not [name for content in bodies for name in content if "*" in name]
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}


def test_describes_every_error(document: dict[str, Any]) -> None:
    problem = document["components"]["schemas"]["ProblemDetails"]
    assert problem["required"] == ["type", "title", "status", "detail", "request_id"]
    for path, item in document["paths"].items():
        for method in set(item) - {"parameters"}:
            responses = item[method]["responses"]
            assert "500" in responses
            assert ("404" in responses) == ("{name}" in path)
            if method == "post":
                assert set(responses) >= {"200", "400", "408", "413", "415", "422", "429", "503"}


def test_a_running_service_conforms_to_it(server: RunningServer, tmp_path: Path) -> None:
    command = [
        Path(sys.executable).with_name("schemathesis"), "run", server.url + "/openapi.json", "--no-color",
        "--max-examples", "10", "--generation-deterministic", "--checks", "all",
        # Of the bytes that fit the document only few are an image.
        "--exclude-checks", "positive_data_acceptance",
    ]  # fmt: skip
    # Fields of a form and parameters of the query that the service does not know are ignored.
    (tmp_path / "schemathesis.toml").write_text("[generation]\nallow-extra-parameters = false\n")
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.openapi_hooks", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(rf"Tested: {len(API)}\b", done.stdout), done.stdout
    assert "Traceback" not in server.log


class Inner(TypedDict):
    """What is inside.

    More of it.
    """

    number: NotRequired[Annotated[int, {"minimum": 1}]]


@dataclasses.dataclass
class Outer:
    """What is outside."""

    texts: tuple[str, ...]
    inner: Inner | None
    kind: Literal["a", "b"]
    rest: dict[str, Any]


def test_schemas_of_types() -> None:
    schemas = Schemas()
    assert schemas.of(list[Outer]) == {"type": "array", "items": {"$ref": "#/components/schemas/Outer"}}
    assert schemas.components["Inner"] == {
        "type": "object",
        "description": "What is inside.",
        "properties": {"number": {"type": "integer", "minimum": 1}},
        "required": [],
        "additionalProperties": False,
    }
    outer = schemas.components["Outer"]
    assert outer["required"] == ["texts", "inner", "kind", "rest"]
    assert outer["properties"] == {
        "texts": {"type": "array", "items": {"type": "string"}},
        "inner": {"anyOf": [{"$ref": "#/components/schemas/Inner"}, {"type": "null"}]},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "rest": {"type": "object", "additionalProperties": {}},
    }


@pytest.mark.parametrize("kind", [complex, set[int], object, Literal["a", 1]])
def test_types_without_a_schema(kind: Any) -> None:
    with pytest.raises(TypeError, match="no schema"):
        Schemas().of(kind)
