"""Times in schemas. msgspec calls a time that may lack its zone a string; here it is told to be a time all the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from msgspec import inspect

Schema: TypeAlias = dict[str, Any]


def tell_times(kinds: Sequence[Any], schemas: Sequence[Schema], components: dict[str, Schema]) -> None:
    """Add the format `date-time`, or `time`, wherever one with a zone is taken, in place.

    Args:
        kinds: types.
        schemas: the schema of each.
        components: what the schemas refer to, by name.
    """
    teller = _Teller(components)
    for kind, schema in zip(inspect.multi_type_info(kinds), schemas, strict=True):
        teller.tell(kind, schema)


class _Teller:
    """Walks over types and their schemas side by side."""

    def __init__(self, components: dict[str, Schema]) -> None:
        self._components = components
        self._told: set[str] = set()

    def tell(self, kind: Any, schema: Any) -> None:
        """Add the format to one schema and to all that is in it."""
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if name in self._told:
                return
            self._told.add(name)
            schema = self._components[name]
        match kind:
            case inspect.DateTimeType() | inspect.TimeType():
                if kind.tz is not False:
                    schema["format"] = "date-time" if isinstance(kind, inspect.DateTimeType) else "time"
            case inspect.UnionType():
                self._tell_union(kind, schema)
            case inspect.DictType():
                self.tell(kind.value_type, schema.get("additionalProperties"))
            case inspect.TupleType():
                for part, item in zip(kind.item_types, schema.get("prefixItems", ()), strict=False):
                    self.tell(part, item)
            case inspect.CollectionType():
                self.tell(kind.item_type, schema.get("items"))
            case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
                for field in kind.fields:
                    self.tell(field.type, schema.get("properties", {}).get(field.encode_name))

    def _tell_union(self, kind: inspect.UnionType, schema: Schema) -> None:
        for part in kind.types:
            bare = part.type if isinstance(part, inspect.Metadata) else part
            for alternative in _alternatives(schema):
                if self._stands_for(alternative, bare):
                    self.tell(bare, alternative)

    def _stands_for(self, schema: Schema, kind: Any) -> bool:
        if isinstance(kind, inspect.StructType | inspect.DataclassType | inspect.TypedDictType):
            name = schema.get("$ref", "").rpartition("/")[2]
            return str(self._components.get(name, {}).get("title", "")).partition("[")[0] == kind.cls.__name__
        # A union holds at most one type of each of these forms; msgspec could not tell two of them apart.
        forms: dict[type, str] = {
            inspect.DateTimeType: "string",
            inspect.TimeType: "string",
            inspect.DictType: "object",
        }
        return schema.get("type") == forms.get(type(kind), "array") and "format" not in schema


def _alternatives(schema: Schema) -> list[Schema]:
    return [one for part in schema.get("anyOf", ()) for one in ([part] if "anyOf" not in part else _alternatives(part))]
