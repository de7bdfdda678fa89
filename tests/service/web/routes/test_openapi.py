"""The OpenAPI document: valid, complete, and true of a running service."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from service.web.routes.openapi.schema import Schemas
from tests.support.routes import ROUTES
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
        path: {"post" if "POST" in allow else "get"} for path, allow in ROUTES.items()
    }


def test_describes_each_file_of_the_page(document: dict[str, Any], client: httpx.Client) -> None:
    for path in (path for path in ROUTES if path == "/" or path.startswith("/page/")):
        kind = client.get(path).headers["content-type"].partition(";")[0]
        assert list(document["paths"][path]["get"]["responses"]["200"]["content"]) == [kind]


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
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.openapi_hooks", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout
    # All but the one that the document came from.
    assert re.search(rf"Tested: {len(ROUTES) - 1}\b", done.stdout), done.stdout
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
        "kind": {"enum": ["a", "b"]},
        "rest": {"type": "object", "additionalProperties": {}},
    }


@pytest.mark.parametrize("kind", [complex, set[int], object])
def test_types_without_a_schema(kind: Any) -> None:
    with pytest.raises(TypeError, match="no schema"):
        Schemas().of(kind)
