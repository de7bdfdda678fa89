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
    bytes: {"type": "string", "contentMediaType": "application/octet-stream"},
    Any: {},
}


class Schemas:
    """The schemas of types; those of classes are named, and gathered in `components` for references.

    Takes plain types, Literal, unions, list, tuple[X, ...], dict[str, X], TypedDict, dataclasses, and Annotated with
    keywords of JSON Schema as a dict. Raises TypeError for any other type.
    """

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """The schema of a type, or a reference to it."""
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Annotated:
            keywords: Schema = arguments[1]
            return {**self.of(arguments[0]), **keywords}
        if origin is not None:
            return self._generic(kind, origin, arguments)
        if is_typeddict(kind) or dataclasses.is_dataclass(kind):
            return self._reference(kind)
        if kind in _PLAIN:
            return dict(_PLAIN[kind])
        raise TypeError(f"no schema is known for {kind!r}")

    def _generic(self, kind: Any, origin: Any, arguments: tuple[Any, ...]) -> Schema:
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.of(argument) for argument in arguments]}
        if origin in (list, tuple):
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        raise TypeError(f"no schema is known for {kind!r}")

    def _reference(self, kind: Any) -> Schema:
        name = kind.__name__
        if name not in self.components:
            self.components[name] = {}  # holds the place: a type may name itself
            self.components[name] = self._object(kind)
        return {"$ref": f"#/components/schemas/{name}"}

    def _object(self, kind: Any) -> Schema:
        properties, required = {}, []
        for name, hint in get_type_hints(kind, include_extras=True).items():
            optional = get_origin(hint) is NotRequired
            properties[name] = self.of(get_args(hint)[0] if optional else hint)
            if not optional:
                required.append(name)
        return {
            "type": "object",
            "description": (kind.__doc__ or "").split("\n\n")[0],
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }
