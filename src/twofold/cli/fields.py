"""The fields of messages on a command line: what they are, and how words become a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from twofold import wire
from twofold.errors import InvalidMessage

M = TypeVar("M", bound=msgspec.Struct)

_NAMES: dict[type[inspect.Type], str] = {
    inspect.AnyType: "any",
    inspect.BoolType: "true or false",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.StrType: "text",
    inspect.BytesType: "base64",
    inspect.ByteArrayType: "base64",
    inspect.MemoryViewType: "base64",
    inspect.DateTimeType: "time",
    inspect.TimeType: "time of day",
    inspect.DateType: "date",
    inspect.TimeDeltaType: "duration",
    inspect.UUIDType: "UUID",
    inspect.DecimalType: "decimal",
}
_CONSTRAINTS = {
    "gt": "> {}", "ge": ">= {}", "lt": "< {}", "le": "<= {}", "multiple_of": "a multiple of {}",
    "min_length": "length >= {}", "max_length": "length <= {}", "pattern": "matches {}",
}  # fmt: skip


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of a message: its type in words, its default as JSON, its constraints, what it is for."""

    name: str
    type: str
    required: bool
    default: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    constraints: tuple[str, ...] = ()
    help: str = ""
    as_json: bool = False


def fields_of(kind: type[msgspec.Struct]) -> tuple[Field, ...]:
    """Return the fields of a message or model, in the order of their declaration."""
    found = inspect.type_info(kind)
    if not isinstance(found, inspect.StructType):
        raise TypeError(f"{kind.__name__} is no Struct")
    return tuple(_field(field) for field in found.fields)


def message_from_words(kind: type[M], words: Sequence[str]) -> M:
    """Return the message that `field=value`, `--field value` and `--field=value` words make.

    Values are text and converted to the field's type; those of lists and nested fields are JSON.

    Raises:
        InvalidMessage: a word is no field, a field is given twice, or a value does not fit.
    """
    fields = {field.name: field for field in fields_of(kind)}
    values: dict[str, Any] = {}
    left = list(reversed(words))
    while left:
        name, value = _next_pair(kind, left, fields)
        if name in values:
            raise _invalid(kind, name, f"{name}: given twice")
        values[name] = _value(kind, fields[name], value)
    return wire.convert(kind, values, from_text=True)


def _next_pair(kind: type[msgspec.Struct], left: list[str], fields: dict[str, Field]) -> tuple[str, str]:
    word = left.pop()
    name, equals, value = word.partition("=")
    dashed = name.startswith("--")
    if not equals and not dashed:
        raise _invalid(kind, "", f"expected field=value or --field value, found {word!r}")
    bare = name.removeprefix("--")
    name = bare if bare in fields else bare.replace("-", "_")
    if name not in fields:
        raise _invalid(kind, bare, f"there is no field {bare!r}; it has {', '.join(fields) or 'none'}")
    if not equals:
        if not left:
            raise _invalid(kind, name, f"{name}: expected a value after {word}")
        value = left.pop()
    return name, value


def _value(kind: type[msgspec.Struct], field: Field, text: str) -> Any:
    if not field.as_json:
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        if field.type == "any":
            return text
        problem = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _invalid(kind, field.name, f"{field.name}: expected {field.type}: {problem}") from error


def _invalid(kind: type[msgspec.Struct], field: str, problem: str) -> InvalidMessage:
    return InvalidMessage(message=wire.name_of(kind), field=field, problem=problem)


def _field(field: inspect.Field) -> Field:
    info, help_text = field.type, ""
    while isinstance(info, inspect.Metadata):
        help_text = help_text or str((info.extra_json_schema or {}).get("description", ""))
        info = info.type
    as_json = _takes_json(info)
    return Field(
        name=field.encode_name,
        type=f"{_shown(info)} as JSON" if as_json and not isinstance(info, inspect.AnyType) else _shown(info),
        required=field.required,
        default=msgspec.UNSET if field.required else _default(field),
        constraints=tuple(_constraints(info)),
        help=help_text,
        as_json=as_json,
    )


def _default(field: inspect.Field) -> msgspec.Raw:
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    try:
        return msgspec.Raw(msgspec.json.encode(value))
    except (TypeError, ValueError):
        return msgspec.Raw(msgspec.json.encode(repr(value)))


def _takes_json(info: inspect.Type) -> bool:
    if isinstance(info, inspect.Metadata):
        return _takes_json(info.type)
    if isinstance(info, inspect.UnionType):
        return any(_takes_json(part) for part in info.types)
    scalars = {*_NAMES, inspect.NoneType, inspect.EnumType, inspect.LiteralType} - {inspect.AnyType}
    return type(info) not in scalars


def _shown(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata(type=inner):
            return _shown(inner)
        case inspect.UnionType(types=types):
            return " or ".join("nothing" if isinstance(part, inspect.NoneType) else _shown(part) for part in types)
        case inspect.EnumType(cls=cls):
            return "one of " + ", ".join(str(member.value) for member in cls)
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(str(value) for value in values)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"list of {_shown(item)}"
        case inspect.SetType(item_type=item) | inspect.FrozenSetType(item_type=item):
            return f"set of {_shown(item)}"
        case inspect.DictType(value_type=value):
            return f"mapping to {_shown(value)}"
        case inspect.StructType(cls=cls) | inspect.DataclassType(cls=cls) | inspect.TypedDictType(cls=cls):
            return cls.__name__
        case _:
            return _NAMES.get(type(info), type(info).__name__.removesuffix("Type").lower())


def _constraints(info: inspect.Type) -> list[str]:
    if isinstance(info, inspect.Metadata):
        return _constraints(info.type)
    if isinstance(info, inspect.UnionType):
        return [text for part in info.types for text in _constraints(part)]
    return [
        text.format(value) for name, text in _CONSTRAINTS.items() if (value := getattr(info, name, None)) is not None
    ]
