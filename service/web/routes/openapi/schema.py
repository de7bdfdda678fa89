"""Python types -> JSON Schema 2020-12, the dialect of OpenAPI 3.1."""

from __future__ import annotations

import dataclasses
import types
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

Schema = dict[str, Any]

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    # As JSON Schema says it, and as generators of clients know it since OpenAPI 3.0.
    bytes: {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"},
    Any: {},
}


class Schemas:
    """Creates the schemas of types. Those of classes get a name, and are referred to.

    Accepts plain types, Literal, unions, list, tuple[X, ...], dict[str, X], TypedDict, dataclasses, and Annotated with
    keywords of JSON Schema as a dict.

    Attributes:
        components: The schemas of classes, by name.
    """

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, annotation: Any) -> Schema:
        """Return the schema of a type, or a reference to it; raises TypeError for an unknown type."""
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            keywords: Schema = arguments[1]
            return {**self.of(arguments[0]), **keywords}
        if origin is not None:
            return self._generic(annotation, origin, arguments)
        if is_typeddict(annotation) or dataclasses.is_dataclass(annotation):
            return self._reference(annotation)
        if annotation in _PLAIN:
            return dict(_PLAIN[annotation])
        raise TypeError(f"there is no schema for {annotation!r}")

    def _generic(self, annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Schema:
        if origin is Literal:
            return _literal(arguments)
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.of(argument) for argument in arguments]}
        if origin in (list, tuple):
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        raise TypeError(f"there is no schema for {annotation!r}")

    def _reference(self, annotation: Any) -> Schema:
        name = annotation.__name__
        if name not in self.components:
            self.components[name] = {}  # reserves the name: a type may refer to itself
            self.components[name] = self._object(annotation)
        return {"$ref": f"#/components/schemas/{name}"}

    def _object(self, annotation: Any) -> Schema:
        properties, required = {}, []
        for name, hint in get_type_hints(annotation, include_extras=True).items():
            optional = get_origin(hint) is NotRequired
            properties[name] = self.of(get_args(hint)[0] if optional else hint)
            if not optional:
                required.append(name)
        return {
            "type": "object",
            "description": (annotation.__doc__ or "").split("\n\n")[0],
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }


def _literal(values: tuple[Any, ...]) -> Schema:
    """The schema of a Literal. Generators want the type of an enum too, and know no enum of booleans."""
    kinds = {type(value) for value in values}
    if len(kinds) > 1:
        raise TypeError(f"there is no schema for a Literal of several types: {values}")
    schema = dict(_PLAIN[kinds.pop()])
    return schema if schema["type"] == "boolean" else {**schema, "enum": list(values)}
