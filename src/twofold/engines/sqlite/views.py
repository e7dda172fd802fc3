"""Read models in `views.db`, a file of its own so that the two sides never wait for each other's lock.

Its commits are not synced one by one: rows and checkpoint are lost together at a power cut, never one without the
other, and what is lost is projected again from the history, which is synced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw

from twofold.engines.sqlite.file import File
from twofold.engines.sqlite.reader import Reader
from twofold.engines.sqlite.statements import statement
from twofold.engines.sqlite.view_sql import ViewSql, quoted
from twofold.engines.sqlite.writer import CommitFailed, Writer
from twofold.errors import HistoryMismatch, InvalidFilter, StoreError
from twofold.history.record import Position
from twofold.read.store import Advance, Lease, Page, TableStatus
from twofold.read.table import Key, Row, Table

APPLICATION_ID = 0x32466F56
VERSION = 1
_REFUSALS = (apsw.SQLError, apsw.BindingsError, apsw.ReadOnlyError, apsw.AuthError)
_FEW = 100
_POLL = 0.005


class SqliteViews:
    """Implements `twofold.read.store.ViewStore` on one file that several processes may share.

    Args:
        folder: where `views.db` lies or is made.

    Raises:
        UnsafeSqlite, StoreUnavailable, ForeignFile, NewerSchema, StoreBusy: it cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._file = File(
            folder / "views.db",
            application_id=APPLICATION_ID,
            version=VERSION,
            schema=statement("views_schema"),
            durable=False,
        )
        self._file.create()
        self._writer = Writer(self._file)
        self._reader = Reader(self._file)
        self._closed = False
        self._sql = cache(ViewSql)

    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        """Make the table where there is none; see `ViewStore.prepare`."""
        found = self._projection(table)
        if found is None:
            try:
                async with self._writer.transaction() as connection:
                    connection.execute(statement("projection_begin"), (*_identity(table), str(history_id)))
                    connection.execute(self._sql(table).create())
            except CommitFailed as failure:
                raise failure.error from failure
            found = self._projection(table) or (str(history_id), 0, 0)
        if found[0] != str(history_id):
            raise HistoryMismatch(model=table.name, problem=f"it was made from history {found[0]}")
        return int(found[1])

    async def claim(self, table: Table[Any], holder: str, seconds: float) -> Lease:
        """Give everybody the same lease: the checkpoint keeps them apart, and a new process need not wait."""
        return Lease(epoch=0, holder=holder, mine=True)

    async def release(self, table: Table[Any], holder: str) -> None:
        """Do nothing: there is nothing to give up."""

    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        """Return rows by key."""
        rows = self._reader.short(self._sql(table).by_key, keys, many=True)
        return {table.key_in(row): row for row in rows}

    async def parked_keys(self, table: Table[Any]) -> Mapping[str, Position]:
        """Return the parked keys."""
        return dict(await self._reader.rows(statement("parked_keys"), _identity(table)))

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        """Store a batch in one transaction; see `ViewStore.apply`."""
        try:
            async with self._writer.transaction(short=len(advance.rows) <= _FEW) as connection:
                return self._apply(connection, table, advance)
        except CommitFailed as failure:
            found = self._projection(table)
            if found is None or found[1] != advance.reached:
                raise failure.error from failure
            return True

    async def checkpoint(self, table: Table[Any]) -> Position | None:
        """Return the checkpoint while the table is live."""
        found = self._projection(table)
        return int(found[1]) if found is not None and found[2] else None

    async def changed(self, seen: int) -> int:
        """Return after 5 ms: no process tells the others that it has written the file."""
        await asyncio.sleep(_POLL)
        return seen

    async def status(self, table: Table[Any]) -> TableStatus:
        """Return how the table stands."""
        found = self._projection(table)
        if found is None:
            return TableStatus(checkpoint=0, live=False, rows=0, parked=0)
        rows = await self._reader.rows(*self._sql(table).count(Page()))
        return TableStatus(
            checkpoint=int(found[1]), live=bool(found[2]), rows=rows[0][0], parked=len(await self.parked_keys(table))
        )

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        """Return the rows that have these keys."""
        return self._reader.short(self._sql(table).by_key, keys, many=True)

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """Return a page of rows."""
        return await self._reader.rows(*self._sql(table).page(page))

    async def count(self, table: Table[Any], page: Page) -> int:
        """Count rows."""
        rows = await self._reader.rows(*self._sql(table).count(page))
        return int(rows[0][0])

    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """Return what a SELECT finds, on a connection that cannot write."""
        try:
            return await self._reader.rows(self._sql(table).select + text, dict(values))
        except StoreError as error:
            if isinstance(error.__cause__, _REFUSALS):
                problem = f"the SQL text is refused: {error.__cause__}"
                raise InvalidFilter(model=table.name, problem=problem) from error
            raise
        except KeyError as error:
            raise InvalidFilter(model=table.name, problem=f"no value was given for :{error.args[0]}") from error

    async def close(self) -> None:
        """Close the file after the transaction that is under way."""
        if not self._closed:
            self._closed = True
            self._reader.close()
            await self._writer.close()

    def _projection(self, table: Table[Any]) -> tuple[Any, ...] | None:
        rows = self._reader.short(statement("projection"), _identity(table))
        return rows[0] if rows else None

    def _apply(self, connection: apsw.Connection, table: Table[Any], advance: Advance) -> bool:
        name, fingerprint = _identity(table)
        moved = connection.execute(
            statement("projection_advance"), (advance.reached, name, fingerprint, advance.expected)
        ).fetchall()
        if not moved:
            return False
        connection.executemany(self._sql(table).upsert, advance.rows)
        parked = ((name, fingerprint, each.key, each.position, each.error) for each in advance.parked)
        connection.executemany(statement("park"), parked)
        if advance.live and not moved[0][0]:
            connection.execute(statement("projection_swap"), (fingerprint, fingerprint, name))
            connection.execute(self._sql(table).show())
            self._drop_old(connection, name)
        return True

    def _drop_old(self, connection: apsw.Connection, name: str) -> None:
        for (fingerprint,) in connection.execute(statement("projection_old"), (name, name)).fetchall():
            connection.execute(f"DROP TABLE IF EXISTS {quoted(f'{name}__{fingerprint}')}")
            for table in ("twofold_projections", "twofold_parked"):
                connection.execute(f"DELETE FROM {table} WHERE name = ? AND fingerprint = ?", (name, fingerprint))


def _identity(table: Table[Any]) -> tuple[str, str]:
    return table.live_name, table.fingerprint
