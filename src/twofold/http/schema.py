"""Messages and answers as JSON Schema (2020-12, as OpenAPI 3.1 has it), and an example of each."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

import msgspec

from twofold import wire
from twofold.errors import InvalidMessage
from twofold.http.times import tell_times
from twofold.read.view import Found

Schema: TypeAlias = dict[str, Any]
PLACE = "#/components/schemas/{name}"
_DEEPEST = 6


def schema_of(kind: Any) -> Schema:
    """Return the schema of one type, whole in itself."""
    return msgspec.json.schema(_described(kind), schema_hook=_unknown)


def schemas_of(kinds: Sequence[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """Return the schemas of several types, and the components that they refer to, by name."""
    described = [_described(kind) for kind in kinds]
    found, components = msgspec.json.schema_components(described, schema_hook=_unknown, ref_template=PLACE)
    tell_times(described, found, components)
    return list(found), components


def resolved(schema: Schema, components: dict[str, Schema]) -> Schema:
    """Return what a schema is, where it is a reference to a component."""
    reference = schema.get("$ref")
    return schema if reference is None else components[reference.rpartition("/")[2]]


def sketch(schema: Schema, components: dict[str, Schema], name: str = "", depth: int = 0) -> Any:
    """Return a value of the form that a schema asks for; it need not keep to every constraint (a pattern, say)."""
    schema = {**resolved(schema, components), **{k: v for k, v in schema.items() if k != "$ref"}}
    for given in ("const", "default"):
        if given in schema:
            return schema[given]
    for several in ("examples", "enum"):
        if schema.get(several):
            return schema[several][0]
    if "anyOf" in schema:
        parts = [part for part in schema["anyOf"] if part.get("type") != "null"]
        return sketch(parts[0], components, name, depth) if parts else None
    match schema.get("type"):
        case "object":
            return _object(schema, components, depth)
        case "array":
            return _array(schema, components, name, depth)
        case "string":
            return _string(schema, name)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
    return None


def example_of(kind: type[msgspec.Struct], schema: Schema, components: dict[str, Schema]) -> Any | None:
    """Return a message of this kind as JSON would hold it, None where none can be made from the schema alone."""
    example = sketch(schema, components)
    try:
        wire.decode(kind, msgspec.json.encode(example))
    except InvalidMessage:
        return None
    return example


def _object(schema: Schema, components: dict[str, Schema], depth: int) -> dict[str, Any]:
    if depth >= _DEEPEST:
        return {}
    found = {name: sketch(field, components, name, depth + 1) for name, field in schema.get("properties", {}).items()}
    more = schema.get("additionalProperties")
    if isinstance(more, dict) and not found:
        found["key"] = sketch(more, components, "key", depth + 1)
    return found


def _array(schema: Schema, components: dict[str, Schema], name: str, depth: int) -> list[Any]:
    if "prefixItems" in schema:
        return [sketch(item, components, name, depth + 1) for item in schema["prefixItems"]]
    items = schema.get("items")
    if depth >= _DEEPEST or not isinstance(items, dict):
        return []
    return [sketch(items, components, name.removesuffix("s"), depth + 1)] * max(1, schema.get("minItems", 1))


_FORMATS = {
    "uuid": "0198c0de-0000-7000-8000-000000000001",
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "duration": "P1D",
    "decimal": "1.50",
}


def _string(schema: Schema, name: str) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if "contentEncoding" in schema:
        return "VHdvZm9sZA=="
    text = (name or "text").replace("_", " ")
    text = text.ljust(schema.get("minLength", 0), ".")
    return text[: schema["maxLength"]] if "maxLength" in schema else text


def _number(schema: Schema) -> int | float:
    least: float = schema["exclusiveMinimum"] + 1 if "exclusiveMinimum" in schema else schema.get("minimum", 0)
    most: float = (
        schema["exclusiveMaximum"] - 1 if "exclusiveMaximum" in schema else schema.get("maximum", max(1, least))
    )
    step: float = schema.get("multipleOf", 0)
    found = min(max(1, least), most)
    return -(-found // step) * step if step else found


def _described(kind: Any) -> Any:
    """Return a type in words that msgspec knows: a page of rows is a list."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Found:
        return list[Any]
    if origin is Found:
        return list[_described(parts[0])]  # type: ignore[misc]
    if origin in (Union, types.UnionType):
        return Union[tuple(_described(part) for part in parts)]  # noqa: UP007
    if origin is Annotated:
        return Annotated[(_described(parts[0]), *parts[1:])]
    return kind


def _unknown(kind: Any) -> Schema:
    return {"description": f"a value of {getattr(kind, '__name__', kind)}"}
