"""A query's fields as text: how the part of the address after `?` becomes a message."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl

import msgspec

from twofold import wire
from twofold.errors import InvalidMessage
from twofold.http.body import refuse_depth
from twofold.http.problem import Refused
from twofold.http.schema import schema_of
from twofold.message import Query

Form: TypeAlias = Literal["text", "list", "json", "json list"]
MOST_FIELDS = 1000
LONGEST_QUERY = 64 * 1024


class TextFields:
    """Reads the fields of one kind of query from text.

    Numbers, booleans, times and the like are written as they are in JSON, without quotes; the fields that hold a list
    are repeated; what holds an object is given as JSON.
    """

    def __init__(self, kind: type[Query[Any]]) -> None:
        self._kind = kind
        self.forms = forms_of(schema_of(kind))

    def message(self, query_string: bytes) -> Query[Any]:
        """Return the query that the text holds.

        Raises:
            Refused: the text is too long.
            InvalidMessage: it is no such query.
        """
        if len(query_string) > LONGEST_QUERY:
            raise Refused("query_too_long", f"expected at most {LONGEST_QUERY} bytes after `?`", limit=LONGEST_QUERY)
        try:
            pairs = parse_qsl(
                query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
            )
        except UnicodeError as error:
            raise self._invalid("", "the text after `?` is not percent-encoded UTF-8") from error
        except ValueError as error:
            raise self._invalid("", f"expected at most {MOST_FIELDS} fields") from error
        texts: dict[str, list[str]] = {}
        for name, text in pairs:
            texts.setdefault(name, []).append(text)
        return wire.convert(self._kind, {name: self._value(name, them) for name, them in texts.items()}, from_text=True)

    def _value(self, name: str, texts: list[str]) -> Any:
        form = self.forms.get(name, "text")
        values = [self._parsed(name, text) for text in texts] if form.startswith("json") else texts
        if form.endswith("list"):
            return values
        if len(values) > 1:
            raise self._invalid(name, f"expected one value, found {len(values)}")
        return values[0]

    def _parsed(self, name: str, text: str) -> Any:
        refuse_depth(text.encode())
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise self._invalid(name, "expected JSON, for it holds an object") from error

    def _invalid(self, field: str, problem: str) -> InvalidMessage:
        shown = f"{field}: {problem}" if field else problem
        return InvalidMessage(message=wire.name_of(self._kind), field=field, problem=shown)


def forms_of(schema: dict[str, Any]) -> dict[str, Form]:
    """Return how the fields of a message are written in text, from its JSON schema."""
    definitions = schema.get("$defs", {})
    found: dict[str, Any] = _resolved(schema, definitions)
    return {name: _form(field, definitions) for name, field in found.get("properties", {}).items()}


def _form(field: dict[str, Any], definitions: dict[str, Any]) -> Form:
    for schema in _alternatives(field, definitions):
        if schema.get("type") == "array":
            items = [schema.get("items") or {}, *schema.get("prefixItems", ())]
            return "json list" if any(_holds_objects(item, definitions) for item in items) else "list"
    return "json" if _holds_objects(field, definitions) else "text"


def _holds_objects(field: Any, definitions: dict[str, Any]) -> bool:
    return isinstance(field, dict) and any(
        schema.get("type") in ("object", "array") for schema in _alternatives(field, definitions)
    )


def _alternatives(field: dict[str, Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    resolved = _resolved(field, definitions)
    parts = resolved.get("anyOf")
    return [resolved] if parts is None else [one for part in parts for one in _alternatives(part, definitions)]


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return schema if reference is None else definitions[reference.rpartition("/")[2]]
