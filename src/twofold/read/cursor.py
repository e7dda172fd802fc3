"""Cursors: where a page ended, as text that a client keeps; the values of its last row in the page's order."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from twofold.errors import InvalidCursor
from twofold.read.column import Column
from twofold.read.index import Order
from twofold.read.table import Table

_KINDS: dict[str, type | tuple[type, ...]] = {"integer": int, "boolean": int, "real": (int, float)}


def cursor_at(table: Table[Any], row: Sequence[Any], order: Order) -> str:
    """Return the cursor of the page that follows a row."""
    places = {column.name: place for place, column in enumerate(table.columns)}
    content = (order, [row[places[name]] for name, _ in order])
    return base64.urlsafe_b64encode(msgspec.json.encode(content)).decode().rstrip("=")


def values_in(table: Table[Any], cursor: str, order: Order) -> tuple[Any, ...]:
    """Return the values after which a page begins, as the database holds them.

    Raises:
        InvalidCursor: it was not given out for this order.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        found, values = msgspec.json.decode(text, type=tuple[list[tuple[str, bool]], list[Any]])
    except (binascii.Error, UnicodeError, TypeError, ValueError, RecursionError) as error:
        raise InvalidCursor(model=table.name, problem="the cursor cannot be read") from error
    if tuple(found) != order or len(values) != len(order):
        raise InvalidCursor(model=table.name, problem="the cursor belongs to another order")
    columns = [table.column(name) for name, _ in order]
    return tuple(_held(table, value, column) for value, column in zip(values, columns, strict=True))


def _held(table: Table[Any], value: Any, column: Column) -> Any:
    if value is None and column.optional:
        return None
    fits = isinstance(value, _KINDS.get(column.kind, str))
    if not fits or (isinstance(value, int) and not -(2**63) <= value < 2**63):
        raise InvalidCursor(model=table.name, problem=f"the cursor's value of {column.name} is of another type")
    try:
        held = base64.b64decode(str(value), validate=True) if column.kind == "bytes" else value
        restored = column.from_row(held) if column.from_row else held
        if column.to_row(restored) != held:
            raise ValueError("found another form of it")
    except (binascii.Error, TypeError, ValueError, ArithmeticError) as error:
        problem = f"the cursor's value of {column.name} cannot be read"
        raise InvalidCursor(model=table.name, problem=problem) from error
    return held
