"""How the columns of a read model lie in the database: typed, so that any SQL tool can work with them."""

from __future__ import annotations

from typing import Any

import msgspec

from twofold.read.column import Column
from twofold.read.table import Table

_NAIVE = "__naive"
_UTC = 'YYYY-MM-DD"T"HH24:MI:SS.US'
# Whose values come back from jsonb as they were. It reorders the keys of dicts, and makes decimal numbers of floats.
_FAITHFUL = (
    msgspec.inspect.BoolType, msgspec.inspect.BytesType, msgspec.inspect.DateType, msgspec.inspect.DateTimeType,
    msgspec.inspect.DecimalType, msgspec.inspect.EnumType, msgspec.inspect.IntType, msgspec.inspect.LiteralType,
    msgspec.inspect.NoneType, msgspec.inspect.StrType, msgspec.inspect.TimeDeltaType, msgspec.inspect.TimeType,
    msgspec.inspect.UUIDType,
)  # fmt: skip


class Form(msgspec.Struct, frozen=True):
    """How values of one kind are sent, stored and shown; in SQL, with {} for the value, the column, or the parameter.

    Args:
        type: the column's.
        sent: the type in which a value is sent.
        stored: what is stored of a value that was sent.
        shown: the value as rows hold it.
        compared: the column, where it is compared with a value for equality.
    """

    type: str
    sent: str
    stored: str = "{}"
    shown: str = "{}"
    compared: str = "{}"


_TEXT = Form('text COLLATE "C"', "text")
_JSON = Form("json", "text", "{}::json", "{}::text", '{}::text COLLATE "C"')
_JSONB = Form("jsonb", "text", "{}::jsonb", "{}::text")
_TIME = Form("timestamptz", "text", "({}::timestamp AT TIME ZONE 'UTC')")
_FORMS: dict[str, Form] = {
    "text": _TEXT,
    "integer": Form("bigint", "bigint"),
    "real": Form("double precision", "double precision"),
    "boolean": Form("boolean", "integer", "({} <> 0)", "{}::integer"),
    "bytes": Form("bytea", "bytea"),
    "uuid": Form("uuid", "uuid", "{}", "{}::text"),
    "decimal": Form("numeric", "text", "{}::numeric", "{}::text"),
    "time": _TIME,
}


class Stored(msgspec.Struct, frozen=True):
    """A column of a read model in the database.

    A field of `datetime` may hold times of a zone and times of none, and both must come back as they are. They are
    stored as if all were of UTC, with a column NAME__naive beside them that tells which are of none. In a key, where
    the two have to stay apart, times are kept as text.
    """

    name: str
    form: Form
    optional: bool

    @property
    def is_time(self) -> bool:
        """Tell whether it is one of two columns."""
        return self.form is _TIME

    def definitions(self) -> list[str]:
        """Return the columns for CREATE TABLE."""
        made = [f"{quoted(self.name)} {self.form.type}{'' if self.optional else ' NOT NULL'}"]
        return [*made, f"{quoted(self.name + _NAIVE)} boolean NOT NULL DEFAULT false"] if self.is_time else made

    def targets(self, sent: str) -> list[tuple[str, str]]:
        """Return the columns to write with what to write into them, for a value that is sent as this expression."""
        written = [(quoted(self.name), self.form.stored.format(sent))]
        if self.is_time:
            written.append((quoted(self.name + _NAIVE), f"coalesce({sent} NOT LIKE '%+00:00', false)"))
        return written

    def shown(self, place: int) -> str:
        """Return what to select, under a name that no column has: else ORDER BY would mean this and not the column."""
        column = quoted(self.name)
        if self.is_time:
            zone = f"CASE WHEN {quoted(self.name + _NAIVE)} THEN '' ELSE '+00:00' END"
            return f"to_char({column} AT TIME ZONE 'UTC', '{_UTC}') || {zone} AS \"{place}\""
        return column if self.form.shown == "{}" else f'{self.form.shown.format(column)} AS "{place}"'

    def equals(self, mark: str) -> str:
        """Return the condition that the column equals a parameter."""
        if self.is_time:
            return " AND ".join(f"{column} = {value}" for column, value in self.targets(self.bound(mark)))
        value = self.bound(mark) if self.form is _JSON else self.stored(mark)
        return f"{self.form.compared.format(quoted(self.name))} = {value}"

    def stored(self, mark: str) -> str:
        """Return a parameter as a value of the column's type."""
        return self.form.stored.format(self.bound(mark))

    def bound(self, mark: str) -> str:
        """Return a parameter with the type in which its value is sent."""
        return f"{mark}::{self.form.sent}"


WORDS = Stored("#words", Form("tsvector", "text", "array_to_tsvector(string_to_array({}, ' '))"), optional=False)
"""The words of a row that are searched for, each as it is: no parser or dictionary of the database's has a say."""


def stored_columns(table: Table[Any]) -> tuple[Stored, ...]:
    """Return the columns of a read model's table."""
    return tuple(Stored(each.name, _form(table, each), each.optional) for each in table.columns)


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _form(table: Table[Any], column: Column) -> Form:
    if column.kind == "json":
        return _JSONB if _is_faithful(msgspec.inspect.type_info(column.type), set()) else _JSON
    return _TEXT if column.kind == "time" and column.name in table.key else _FORMS[column.kind]


def _is_faithful(kind: Any, seen: set[int]) -> bool:
    """Tell whether every value of a type comes back from jsonb as it was."""
    if id(kind) in seen or isinstance(kind, _FAITHFUL):
        return True
    seen.add(id(kind))
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            return _is_faithful(inner, seen)
        case msgspec.inspect.StructType(fields=fields) | msgspec.inspect.DataclassType(fields=fields):
            return all(_is_faithful(field.type, seen) for field in fields)
        case msgspec.inspect.UnionType(types=types):
            return all(_is_faithful(each, seen) for each in types)
        case msgspec.inspect.TupleType(item_types=types):
            return all(_is_faithful(each, seen) for each in types)
        case msgspec.inspect.CollectionType(item_type=item):
            return _is_faithful(item, seen)
        case _:
            return False
