"""What a query handler asks: a read model's rows, by key, by equal fields, by the rest of a SELECT statement."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec

from twofold.errors import InvalidCursor, InvalidFilter
from twofold.model import ReadModel
from twofold.read.column import Column, plain
from twofold.read.store import Page, ViewStore
from twofold.read.table import Table

M = TypeVar("M", bound=ReadModel)


class Found(list[M]):
    """A list of rows, with `next`: the cursor of the page that follows, None after the last row."""

    next: str | None = None


class View(Generic[M]):
    """The rows of a read model, to be read and never written: `profiles: View[Profile]`.

    Every method reads the rows as they are at that moment. Errors: `InvalidFilter` for a field or value that the
    read model has not, `InvalidCursor` for a cursor that was not given out for the same order, `StoreError`s.
    """

    __side__: ClassVar[str] = "read"
    if TYPE_CHECKING:
        __sizeof__: ClassVar[None]  # type: ignore[assignment]  # see twofold.wall

    def __init__(self, store: ViewStore, table: Table[M]) -> None:
        self._store = store
        self._table = table

    async def get(self, *key: Any) -> M | None:
        """Return the row with this key, given as one value for each key field; None if there is none."""
        rows = await self._store.get(self._table, (self._table.key_of(key),))
        return self._table.instance(rows[0]) if rows else None

    async def get_many(self, keys: Iterable[Any]) -> list[M]:
        """Return the rows that have these keys (tuples where the key has several fields), in the keys' order."""
        wanted = [self._table.key_of(key if isinstance(key, tuple) else (key,)) for key in keys]
        rows = {self._table.key_in(tuple(row)): row for row in await self._store.get(self._table, wanted)}
        return [self._table.instance(rows[key]) for key in dict.fromkeys(wanted) if key in rows]

    async def find(
        self,
        *,
        order_by: str | Sequence[str] = (),
        limit: int | None = None,
        after: str | None = None,
        **equals: Any,
    ) -> Found[M]:
        """Return the rows whose fields equal the given values.

        Args:
            order_by: a field, or several; `-field` for descending. The key always ends the order.
            limit: at most so many rows; the result's `next` is then the cursor of the page after.
            after: a cursor, to go on where an earlier page of the same order ended.
            equals: fields and their values; None finds rows where the field is None.
        """
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise InvalidFilter(model=self._table.name, problem=f"expected a limit of at least 1, found {limit!r}")
        order = self._order((order_by,) if isinstance(order_by, str) else order_by)
        page = Page(
            equals=self._equals(equals),
            order=order,
            after=None if after is None else self._open_cursor(after, order),
            limit=None if limit is None else limit + 1,
        )
        rows = await self._store.find(self._table, page)
        found: Found[M] = Found(self._table.instance(row) for row in rows[:limit])
        if limit is not None and len(rows) > limit:
            found.next = self._cursor(rows[limit - 1], order)
        return found

    async def count(self, **equals: Any) -> int:
        """Count the rows whose fields equal the given values."""
        return await self._store.count(self._table, Page(equals=self._equals(equals)))

    async def sql(self, text: str, /, **values: Any) -> list[M]:
        """Return the rows that the rest of a SELECT statement finds.

            await profiles.sql("where updates > :least order by name limit 10", least=3)

        Write the text yourself; whatever comes from outside goes into `values`, by name.
        """
        try:
            bound = {name: plain(value) for name, value in values.items()}
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise InvalidFilter(model=self._table.name, problem=f"a value cannot be used: {error}") from error
        return [self._table.instance(row) for row in await self._store.sql(self._table, text, bound)]

    def _place(self, name: str) -> int:
        return next(n for n, column in enumerate(self._table.columns) if column.name == name)

    def _equals(self, equals: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        return tuple((name, self._table.value(name, value)) for name, value in equals.items())

    def _order(self, order_by: Sequence[str]) -> tuple[tuple[str, bool], ...]:
        order = {name.removeprefix("-"): name.startswith("-") for name in order_by}
        for name in order:
            if self._table.column(name).kind == "json":
                raise InvalidFilter(model=self._table.name, problem=f"rows cannot be ordered by {name}, a nested value")
        return (*order.items(), *((name, False) for name in self._table.key if name not in order))

    def _cursor(self, row: Sequence[Any], order: tuple[tuple[str, bool], ...]) -> str:
        content = (order, [row[self._place(name)] for name, _ in order])
        return base64.urlsafe_b64encode(msgspec.json.encode(content)).decode().rstrip("=")

    def _open_cursor(self, cursor: str, order: tuple[tuple[str, bool], ...]) -> tuple[Any, ...]:
        try:
            text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            found, values = msgspec.json.decode(text, type=tuple[list[tuple[str, bool]], list[Any]])
        except (binascii.Error, UnicodeError, ValueError, RecursionError) as error:
            raise InvalidCursor(model=self._table.name, problem="the cursor cannot be read") from error
        if tuple(found) != order or len(values) != len(order):
            raise InvalidCursor(model=self._table.name, problem="the cursor belongs to another order")
        columns = [self._table.column(name) for name, _ in order]
        return tuple(self._cursor_value(value, column) for value, column in zip(values, columns, strict=True))

    def _cursor_value(self, value: Any, column: Column) -> Any:
        kinds: dict[str, type | tuple[type, ...]] = {"integer": int, "boolean": int, "real": (int, float)}
        if value is None and column.optional:
            return None
        fits = isinstance(value, kinds.get(column.kind, str))
        if not fits or (isinstance(value, int) and not -(2**63) <= value < 2**63):
            raise InvalidCursor(
                model=self._table.name, problem=f"the cursor's value of {column.name} is of another type"
            )
        try:
            held = base64.b64decode(str(value), validate=True) if column.kind == "bytes" else value
            restored = column.from_row(held) if column.from_row else held
            if column.to_row(restored) != held:
                raise ValueError("found another form of it")
        except (binascii.Error, TypeError, ValueError, ArithmeticError) as error:
            problem = f"the cursor's value of {column.name} cannot be read"
            raise InvalidCursor(model=self._table.name, problem=problem) from error
        return held
