"""How the columns of a read model lie in the file: typed, so that SQL can reckon with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from twofold.read.column import Column, Scalar
from twofold.read.table import Table

_NAIVE = "__naive"
_UTC = "%Y-%m-%dT%H:%M:%S.%f"
_TYPES: dict[str, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "real": "DOUBLE",
    "boolean": "BOOLEAN",
    "bytes": "BLOB",
    "uuid": "UUID",
    "time": "TIMESTAMPTZ",
    # Text keeps every digit: a DECIMAL here has 38 at most.
    "decimal": "VARCHAR",
    "json": "JSON",
}


class Stored(msgspec.Struct, frozen=True):
    """A column of a read model in the file.

    A field of `datetime` may hold times of a zone and times of none, and both must come back as they are. They are
    stored as if all were of UTC, with a column NAME__naive beside them that tells which are of none. In a key, where
    the two have to stay apart, times are kept as text.
    """

    name: str
    kind: str
    type: str
    optional: bool

    @property
    def is_time(self) -> bool:
        """Tell whether it is one of two columns."""
        return self.type == "TIMESTAMPTZ"

    def definitions(self) -> list[str]:
        """Return the columns for CREATE TABLE."""
        made = [f"{quoted(self.name)} {self.type}{'' if self.optional else ' NOT NULL'}"]
        return [*made, f"{quoted(self.name + _NAIVE)} BOOLEAN NOT NULL"] if self.is_time else made

    def written(self, value: Scalar) -> list[Scalar]:
        """Return what is written of a value, as rows hold it."""
        return [value, _is_naive(value)] if self.is_time else [value]

    def shown(self, place: int) -> str:
        """Return what to select, under a name that no column has: else ORDER BY would mean this and not the column."""
        column = quoted(self.name)
        if self.is_time:
            zone = f"CASE WHEN {quoted(self.name + _NAIVE)} THEN '' ELSE '+00:00' END"
            return f"strftime({column} AT TIME ZONE 'UTC', '{_UTC}') || {zone} AS \"{place}\""
        if self.type in ("UUID", "DATE"):
            return f'CAST({column} AS VARCHAR) AS "{place}"'
        return f'CAST({column} AS INTEGER) AS "{place}"' if self.type == "BOOLEAN" else column

    def equals(self, value: Scalar) -> tuple[str, list[Scalar]]:
        """Return the condition that the column equals a value that is not None, with what is bound to it."""
        column = quoted(self.name)
        if self.is_time:
            return f"{column} = {self.mark} AND {quoted(self.name + _NAIVE)} = ?", [value, _is_naive(value)]
        if self.type == "JSON":
            return f"CAST({column} AS VARCHAR) = ?", [value]
        return f"{column} = {self.mark}", [value]

    @property
    def mark(self) -> str:
        """A parameter, as a value of the column's type."""
        return f"CAST(? AS {self.type})"


def stored_columns(table: Table[Any]) -> tuple[Stored, ...]:
    """Return the columns of a read model's table."""
    return tuple(Stored(each.name, each.kind, _type(table, each), each.optional) for each in table.columns)


def written(columns: Sequence[Stored], row: Sequence[Scalar]) -> list[Any]:
    """Return a row as it is written."""
    return [value for column, each in zip(columns, row, strict=True) for value in column.written(each)]


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _type(table: Table[Any], column: Column) -> str:
    if column.bare is date:
        return "DATE"
    return "VARCHAR" if column.kind == "time" and column.name in table.key else _TYPES[column.kind]


def _is_naive(value: Scalar) -> bool:
    return isinstance(value, str) and not value.endswith("+00:00")
