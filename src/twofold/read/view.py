"""What a query handler asks: a read model's rows, by key, by fields, by the rest of a SELECT statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec

from twofold.errors import InvalidFilter
from twofold.model import ReadModel
from twofold.read.column import plain
from twofold.read.cursor import cursor_at, values_in
from twofold.read.index import Order
from twofold.read.range import Operator, Range
from twofold.read.rows import Rows
from twofold.read.select import sql_table, text_of
from twofold.read.store import Page
from twofold.read.table import Table
from twofold.read.words import wanted_words

if TYPE_CHECKING:
    import sqlalchemy

M = TypeVar("M", bound=ReadModel)
_MOST = 2**31


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

    def __init__(self, store: Rows, table: Table[M]) -> None:
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
        return self._table.instances([rows[key] for key in dict.fromkeys(wanted) if key in rows])

    async def find(
        self,
        *,
        order_by: str | Sequence[str] = (),
        limit: int | None = None,
        after: str | None = None,
        **wanted: Any,
    ) -> Found[M]:
        """Return the rows whose fields have the given values, or lie in the given ranges.

            await cases.find(department="B", opened=Range(at_least=monday), order_by="-opened", limit=50)

        Args:
            order_by: a field, or several; `-field` for descending. The key always ends the order.
            limit: at most so many rows; the result's `next` is then the cursor of the page after.
            after: a cursor, to go on where an earlier page of the same order ended.
            wanted: fields and their values, or a `Range` of them; None finds rows where the field is None.
        """
        return await self._found(self._page(order_by, limit, after, wanted))

    async def search(
        self,
        text: str,
        *,
        order_by: str | Sequence[str] = (),
        limit: int | None = None,
        after: str | None = None,
        **wanted: Any,
    ) -> Found[M]:
        """Return the rows that have every word of a text in the fields that the read model declares as `search`.

            await cases.search("fence cor*", status=Status.OPEN, limit=20)

        Whatever the text is, it is no query language: only a `*` right behind a word means something, that the word
        may go on. Case and accents do not count. A text without a word finds nothing. Pages are those of `find`, so
        that they stay whole while rows change; there is no order by relevance.

        Args:
            text: at most 1,000 characters and 32 words.
            order_by: see `find`; the key when left out.
            limit: see `find`.
            after: see `find`.
            wanted: fields and their values, or a `Range` of them.
        """
        if not self._table.search:
            raise self._refused('it is not searched; declare the fields: `class …(ReadModel, search=["title"])`')
        if not isinstance(text, str):
            raise self._refused(f"expected a text to search for, found {type(text).__name__}")
        try:
            words = wanted_words(text)
        except ValueError as error:
            raise self._refused(str(error)) from error
        page = msgspec.structs.replace(self._page(order_by, limit, after, wanted), words=words)
        return await self._found(page) if words else Found()

    async def count(self, **wanted: Any) -> int:
        """Count the rows whose fields have the given values, or lie in the given ranges."""
        page = Page(equals=self._equals(wanted), ranges=tuple(self._ranges(wanted)))
        return await self._store.count(self._table, page)

    @cached_property
    def table(self) -> sqlalchemy.Table:
        """The read model as a table of SQLAlchemy, for `sql(select(view.table).where(…))`.

        Raises:
            MissingExtra: SQLAlchemy is not installed.
        """
        return sql_table(self._table)

    async def sql(self, statement: str | sqlalchemy.Select[Any], /, **values: Any) -> list[M]:
        """Return the rows that the rest of a SELECT statement finds, or a `Select` of SQLAlchemy.

            await profiles.sql("where updates > :least order by name limit 10", least=3)
            await profiles.sql(select(profiles.table).where(profiles.table.c.updates > 3))

        Write the text yourself; whatever comes from outside goes into `values`, by name. A Select is one of the view's
        whole table, and reads nothing else.
        """
        if isinstance(statement, str):
            text, given = statement, dict(values)
        else:
            own, dialect = self.__dict__.get("table"), self._store.dialect(self._table)
            if not dialect:
                raise self._refused("its store knows no SQL")
            text, given = text_of(self._table, own, statement, dialect, values)
        try:
            bound = {name: plain(value) for name, value in given.items()}
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise self._refused(f"a value cannot be used: {error}") from error
        return self._table.instances(await self._store.sql(self._table, text, bound))

    async def _found(self, page: Page) -> Found[M]:
        rows = await self._store.find(self._table, page)
        limit = None if page.limit is None else page.limit - 1
        found: Found[M] = Found(self._table.instances(rows[:limit]))
        if limit is not None and len(rows) > limit:
            found.next = cursor_at(self._table, rows[limit - 1], page.order)
        return found

    def _page(
        self, order_by: str | Sequence[str], limit: int | None, after: str | None, wanted: Mapping[str, Any]
    ) -> Page:
        """Return what to ask the store for: one row more than the limit, which tells whether there is a next page."""
        if limit is not None and (not isinstance(limit, int) or not 1 <= limit < _MOST):
            raise self._refused(f"expected a limit of at least 1, and at most {_MOST - 1:,}, found {limit!r}")
        order = self._order((order_by,) if isinstance(order_by, str) else order_by)
        return Page(
            equals=self._equals(wanted),
            ranges=tuple(self._ranges(wanted)),
            order=order,
            after=None if after is None else values_in(self._table, after, order),
            limit=None if limit is None else limit + 1,
        )

    def _equals(self, wanted: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        return tuple((n, self._table.value(n, value)) for n, value in wanted.items() if not isinstance(value, Range))

    def _ranges(self, wanted: Mapping[str, Any]) -> Iterator[tuple[str, Operator, Any]]:
        for name, span in wanted.items():
            if isinstance(span, Range):
                if self._table.column(name).kind == "json":
                    raise self._refused(f"there are no ranges of {name}, a nested value")
                bounds = list(span.bounds())
                if not bounds:
                    raise self._refused(f"{name}: expected a bound: at_least, above, below or at_most")
                for operator, bound in bounds:
                    yield name, operator, self._table.value(name, bound)

    def _order(self, order_by: Sequence[str]) -> Order:
        if not all(isinstance(name, str) for name in order_by):
            raise self._refused(f"expected the names of fields to order by, found {order_by!r}")
        order = {name.removeprefix("-"): name.startswith("-") for name in order_by}
        for name in order:
            if self._table.column(name).kind == "json":
                raise self._refused(f"rows cannot be ordered by {name}, a nested value")
        return (*order.items(), *((name, False) for name in self._table.key if name not in order))

    def _refused(self, problem: str) -> InvalidFilter:
        return InvalidFilter(model=self._table.name, problem=problem)
