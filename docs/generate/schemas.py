"""JSON Schemas of the OpenAPI document, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from docs.generate.markdown import anchor, code, link, table

Schema = dict[str, Any]


def schema_lines(name: str, schema: Schema) -> Iterator[str]:
    """A section about an object with its properties."""
    yield from (f"### {name}", "", schema["description"], "")
    rows = [
        (
            code(key),
            described(found),
            "yes" if key in schema["required"] else "no",
            found.get("description", ""),
        )
        for key, found in schema["properties"].items()
    ]
    yield from table(("key", "type", "required", "what it is"), rows)


def described(schema: Schema) -> str:
    """The type with its bounds: `integer` from 1 to 9."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{type_of(schema)} from {low} to {high}"
    if low is not None:
        return f"{type_of(schema)} of at least {low}"
    return type_of(schema)


def default_of(schema: Schema) -> str:
    """The default as JSON, "" if there is none."""
    return code(json.dumps(schema["default"])) if "default" in schema else ""


def type_of(schema: Schema) -> str:
    """The type: in the words of JSON, or a link to the section of an object."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return link(name, anchor(name))
    if "enum" in schema:
        return " or ".join(code(json.dumps(value)) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(map(type_of, schema["anyOf"]))
    return _plain_type(schema)


def _plain_type(schema: Schema) -> str:
    if "contentMediaType" in schema:
        return "bytes"
    if "contentEncoding" in schema:
        return f"{code(schema['type'])} ({schema['contentEncoding']})"
    if schema.get("type") == "array":
        return f"array of {type_of(schema['items'])}"
    if "additionalProperties" in schema:
        return f"object with any keys; values: {type_of(schema['additionalProperties'])}"
    return code(schema["type"]) if "type" in schema else "any JSON value"
