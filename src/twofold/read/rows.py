"""What a view reads from: the part of a view store that reads, or something else that has rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from twofold.read.store import Page, ViewStore
from twofold.read.table import Key, Row, Table


class Rows(Protocol):
    """The rows of read models, to be read alone; see `ViewStore`."""

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        """Return the rows that have these keys, in any order."""
        ...

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """Return a page of rows."""
        ...

    async def count(self, table: Table[Any], page: Page) -> int:
        """Count the rows that a page without limit would have."""
        ...

    def dialect(self, table: Table[Any]) -> str:
        """Return SQLAlchemy's name for the SQL that `sql` takes; nothing where it knows none."""
        ...

    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """Return the rows that the rest of a SELECT statement selects."""
        ...


class Searched:
    """The rows of a store, and whether more than rows by key was ever asked for.

    Attributes:
        get: the store's.
        were_searched: whether anything else was.
    """

    def __init__(self, store: ViewStore) -> None:
        self.get = store.get
        self.were_searched = False
        self._store = store

    def dialect(self, table: Table[Any]) -> str:
        """Return SQLAlchemy's name for the SQL of the table's store."""
        return self._store.dialect(table)

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """Return a page of rows."""
        self.were_searched = True
        return await self._store.find(table, page)

    async def count(self, table: Table[Any], page: Page) -> int:
        """Count the rows that a page without limit would have."""
        self.were_searched = True
        return await self._store.count(table, page)

    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """Return the rows that the rest of a SELECT statement selects."""
        self.were_searched = True
        return await self._store.sql(table, text, values)
