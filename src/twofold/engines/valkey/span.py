"""Which keys a page asks for, as a span of the sorted set; and what no span of keys can answer."""

from __future__ import annotations

from typing import Any

import msgspec

from twofold.engines.valkey.keys import Keys, after_all, keys_of
from twofold.errors import InvalidFilter
from twofold.read.store import Page
from twofold.read.table import Table


class Span(msgspec.Struct, frozen=True):
    """Keys from one to another, as ZRANGE and ZLEXCOUNT take them: `[` includes, `(` does not."""

    first: bytes = b"-"
    last: bytes = b"+"
    descending: bool = False
    is_empty: bool = False


def span_of(table: Table[Any], page: Page, shown: str) -> Span:
    """Return the keys that a page is about.

    Args:
        table: the read model's table.
        page: what is asked for.
        shown: the store as it may be named to anybody.

    Raises:
        InvalidFilter: it asks by other fields than the key's first ones, or in another order than the key's.
    """
    keys = keys_of(table)
    equals = dict(page.equals)
    if len(equals) < len(page.equals):
        return Span(is_empty=True)
    fixed = [name for name in keys.names if name in equals]
    ranged = {name for name, _, _ in page.ranges}
    following = keys.names[len(fixed) : len(fixed) + 1]
    if page.words:
        raise _refused(table, shown, "a search for words")
    if tuple(fixed) != keys.names[: len(fixed)] or len(fixed) < len(equals) or not ranged <= set(following):
        asked = sorted({*equals, *ranged} - {*fixed, *following} or {*equals, *ranged})
        raise _refused(table, shown, f"rows by {', '.join(asked)}")
    if None in equals.values():
        return Span(is_empty=True)
    prefix = keys.encoded([equals[name] for name in fixed])
    least, most = _bounds(keys, prefix, [equals[name] for name in fixed], page)
    descending = _direction(table, page, len(fixed), shown)
    if page.after is not None:
        values = {name: value for (name, _), value in zip(page.order, page.after, strict=True)}
        # The cursor is only followed within the span: it may have been given out for another one.
        cursor = keys.encoded(tuple(values[name] for name in keys.names))
        if descending:
            most = cursor if most is None else min(most, cursor)
        else:
            least = max(least, cursor + b"\0")
    first = b"[" + least if least else b"-"
    return Span(first, b"+" if most is None else b"(" + most, descending)


def _bounds(keys: Keys, prefix: bytes, fixed: list[Any], page: Page) -> tuple[bytes, bytes | None]:
    """Return the first bytes of a span, and the first ones behind it; None where it ends with the last key."""
    least, most = prefix, after_all(prefix)
    for _name, sign, value in page.ranges:
        bound = keys.encoded([*fixed, value])
        behind = after_all(bound)
        if sign in (">=", ">"):
            least = max(least, bound if sign == ">=" else behind or bound + b"\xff" * 9)
        else:
            end = bound if sign == "<" else behind
            most = end if most is None else most if end is None else min(most, end)
    return least, most


def _direction(table: Table[Any], page: Page, fixed: int, shown: str) -> bool:
    names = keys_of(table).names
    # What is equal in all rows orders none of them.
    order = [(name, descending) for name, descending in page.order if name not in names[:fixed]]
    if [name for name, _ in order] != list(names[fixed:])[: len(order)] or len({way for _, way in order}) > 1:
        shown_order = ", ".join(f"{'-' if way else ''}{name}" for name, way in page.order)
        raise _refused(table, shown, f"an order by {shown_order}")
    return bool(order) and order[0][1]


def _refused(table: Table[Any], shown: str, what: str) -> InvalidFilter:
    return InvalidFilter(
        model=table.name,
        problem=f"{shown} finds rows by the key, or its first fields, in the key's order ({', '.join(table.key)}); "
        f"{what} cannot be had there: keep the read model in a store with SQL (`store=`), or make one with that key",
    )
