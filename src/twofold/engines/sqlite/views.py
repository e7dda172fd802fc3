"""Read models in `views.db`, a file of its own so that the two sides never wait for each other's lock.

Its commits are not synced one by one: rows and checkpoint are lost together at a power cut, never one without the
other, and what is lost is projected again from the history, which is synced.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw

from twofold.clock import new_epoch
from twofold.engines.sqlite.file import File
from twofold.engines.sqlite.reader import Reader
from twofold.engines.sqlite.statements import statement
from twofold.engines.sqlite.transaction import Guard, Here, SqliteBatchTransaction, tables_in
from twofold.engines.sqlite.view_sql import ViewSql, drop, quoted
from twofold.engines.sqlite.writer import CommitFailed, Writer
from twofold.errors import HistoryMismatch, InvalidFilter, StoreError
from twofold.history.record import Position
from twofold.read.index import Changes, changes
from twofold.read.store import (
    Advance,
    Lease,
    Page,
    Parked,
    SegmentStatus,
    Standing,
    TableStatus,
    Unparked,
    Version,
    Work,
)
from twofold.read.table import Key, Row, Table

APPLICATION_ID = 0x32466F56
VERSION = 2
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
            migrations={2: statement("views_to_2")},
        )
        self._file.create()
        self._guard = Guard(tables_in("views_schema"))
        self._writer = Writer(self._file, self._guard)
        self._reader = Reader(self._file)
        self._closed = False
        self._sql = cache(ViewSql)

    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        """Make the table where there is none; see `ViewStore.prepare`."""
        found = self._projection(table)
        if found is None:
            try:
                async with self._writer.transaction() as connection:
                    self._make(connection, table, history_id, epoch=0)
            except CommitFailed as failure:
                raise failure.error from failure
            found = self._projection(table) or (str(history_id), 0, 0)
        if found[0] != str(history_id):
            raise HistoryMismatch(model=table.name, problem=f"it was made from history {found[0]}")
        await self._index(table)
        return int(found[1])

    async def begin_spare(self, table: Table[Any], history_id: UUID) -> None:
        """Make the spare anew; see `ViewStore.begin_spare`."""
        await self._begin_anew(table.spare, history_id)

    async def begin_shadow(self, table: Table[Any], history_id: UUID) -> None:
        """Make the shadow anew."""
        await self._begin_anew(table.shadow, history_id, new_epoch())

    async def drop_shadow(self, table: Table[Any]) -> None:
        """Drop the shadow."""
        async with self._change() as connection:
            self._drop(connection, table.shadow)

    async def exchange(self, table: Table[Any]) -> bool:
        """Exchange the table and its spare; see `ViewStore.exchange`."""
        name, version, spare = table.live_name, table.version, table.spare.version
        async with self._change() as connection:
            behind = connection.execute(statement("projection_behind"), (name, version, spare)).fetchall()[0][0]
            if behind or not connection.execute(statement("projection_segments"), (name, spare)).fetchall():
                return False
            for kind in ("projection_rename", "parked_rename"):
                for new, old in (("", version), (version, spare), (spare, "")):
                    connection.execute(statement(kind), (new, name, old))
            connection.execute(self._sql(table).exchange(self._sql(table.spare)))
            connection.execute(statement("projection_swap"), (name, version))
            for each in (version, spare):
                connection.execute(statement("projection_new_epoch"), (name, each))
            connection.execute(self._sql(table).show())
            self._drop_old(connection, name)
            return True

    async def standing(self, table: Table[Any], segment: int = 0) -> Standing | None:
        """Return where a segment stands."""
        rows = self._reader.short(statement("projection_standing"), (*_identity(table), segment))
        return _standing(*rows[0]) if rows else None

    async def standings(self, table: Table[Any]) -> Sequence[Standing]:
        """Return where each segment stands."""
        return [_standing(*row) for row in self._reader.short(statement("projection_standings"), _identity(table))]

    def lags(self, table: Table[Any]) -> bool:
        """Tell that queries see at once what was stored."""
        return False

    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        """Give everybody the same lease: the checkpoint keeps them apart, and a new process need not wait."""
        standing = await self.standing(table, segment)
        return Lease(epoch=0 if standing is None else standing.epoch, holder=holder, mine=True)

    async def release(self, table: Table[Any], holder: str, segment: int = 0) -> None:
        """Do nothing: there is nothing to give up."""

    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        """Return rows by key."""
        return {table.key_in(row): row for row in self._by_key(table, keys)}

    async def parked_keys(self, table: Table[Any]) -> Mapping[str, Position]:
        """Return the parked keys."""
        return dict(await self._reader.rows(statement("parked_keys"), _identity(table)))

    async def parked(self, table: Table[Any], key: str | None = None) -> Sequence[Parked]:
        """Return the parked events."""
        rows = await self._reader.rows(statement("parked"), (*_identity(table), key))
        return [Parked(*row) for row in rows]

    async def unpark(self, table: Table[Any], unparked: Unparked) -> bool:
        """Forget a key's parked events; see `ViewStore.unpark`."""
        with contextlib.suppress(_Refused):
            async with self._change() as connection:
                found = connection.execute(statement("parked_forget"), (*_identity(table), unparked.key)).fetchall()
                if {position for (position,) in found} != set(unparked.positions):
                    raise _Refused
                self._store(connection, table, unparked.rows, unparked.deleted)
                await self._work(connection, table, unparked.work)
                connection.execute(statement("projection_new_epoch"), _identity(table))
            return True
        return False

    async def rows_at(self, table: Table[Any], keys: Sequence[Key], segment: int = 0) -> tuple[Position, Sequence[Row]]:
        """Return rows and the checkpoint, read in one transaction."""
        with self._reader.snapshot():
            standing = self._reader.short(statement("projection_standing"), (*_identity(table), segment))
            return standing[0][0], self._by_key(table, keys)

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        """Store a batch in one transaction; see `ViewStore.apply`."""
        try:
            is_short = len(advance.rows) <= _FEW and advance.work is None
            async with self._writer.transaction(short=is_short) as connection:
                return await self._apply(connection, table, advance)
        except CommitFailed as failure:
            standing = await self.standing(table, advance.segment)
            if standing is None or (standing.checkpoint, standing.epoch) != (advance.reached, advance.epoch):
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

    async def segments(self, table: Table[Any]) -> Sequence[SegmentStatus]:
        """Return how each segment stands."""
        rows = self._reader.short(statement("projection_segments"), _identity(table))
        return [SegmentStatus(checkpoint) for (checkpoint,) in rows]

    async def versions(self, table: Table[Any]) -> Sequence[Version]:
        """Return what is kept under a live name."""
        rows = self._reader.short(statement("projection_versions"), (table.live_name,))
        return [Version(version, shape, at, bool(live), bool(was)) for version, shape, at, live, was in rows]

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        """Return the rows that have these keys."""
        return self._by_key(table, keys)

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """Return a page of rows."""
        return await self._reader.rows(*self._sql(table).page(page))

    async def count(self, table: Table[Any], page: Page) -> int:
        """Count rows."""
        rows = await self._reader.rows(*self._sql(table).count(page))
        return int(rows[0][0])

    def dialect(self, table: Table[Any]) -> str:
        """Return SQLAlchemy's name for the SQL of this engine."""
        return "sqlite"

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

    async def _begin_anew(self, table: Table[Any], history_id: UUID, epoch: int = 0) -> None:
        async with self._change() as connection:
            self._make(connection, table, history_id, max(epoch, self._drop(connection, table) + 1))

    def _drop(self, connection: apsw.Connection, table: Table[Any]) -> int:
        """Drop a table, and return the highest epoch that it had; -1 where there was none."""
        epochs = [epoch for (epoch,) in connection.execute(statement("projection_forget"), _identity(table))]
        connection.execute(statement("parked_forget"), (*_identity(table), None)).fetchall()
        connection.execute(self._sql(table).drop())
        return max(epochs, default=-1)

    async def _index(self, table: Table[Any]) -> None:
        """Make the declared indexes that there are not, and drop those that are declared no more."""
        changes = self._changes(table, self._reader.short(*_indexes(table)))
        if changes.made or changes.dropped:
            async with self._change() as connection:
                self._change_indexes(connection, table)

    def _change_indexes(self, connection: apsw.Connection, table: Table[Any]) -> None:
        for each in self._sql(table).change(self._changes(table, connection.execute(*_indexes(table)).fetchall())):
            connection.execute(each)

    def _changes(self, table: Table[Any], found: Sequence[tuple[Any, ...]]) -> Changes:
        here = [name for of, name in found if of == table.versioned_name]
        beside = [name for of, name in found if of != table.versioned_name]
        return changes(table.fingerprint, self._sql(table).indexes(), here, beside)

    def _by_key(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        at_once = self._sql(table).by_keys(keys)
        if at_once is None:
            return self._reader.each(self._sql(table).by_key, keys)
        return self._reader.short(*at_once)

    def _projection(self, table: Table[Any]) -> tuple[Any, ...] | None:
        rows = self._reader.short(statement("projection"), _identity(table))
        return rows[0] if rows else None

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[apsw.Connection]:
        """Give the writing connection for what is no batch of a projection."""
        try:
            async with self._writer.transaction() as connection:
                yield connection
        except CommitFailed as failure:
            raise failure.error from failure

    def _make(self, connection: apsw.Connection, table: Table[Any], history_id: UUID, epoch: int) -> None:
        for segment in range(table.segments):
            values = (*_identity(table), segment, str(history_id), epoch, table.shape)
            connection.execute(statement("projection_begin"), values)
        connection.execute(self._sql(table).create())
        self._change_indexes(connection, table)

    async def _apply(self, connection: apsw.Connection, table: Table[Any], advance: Advance) -> bool:
        name, version = _identity(table)
        values = (advance.reached, advance.live, name, version, advance.segment, advance.expected, advance.epoch)
        moved = connection.execute(statement("projection_advance"), values).fetchall()
        if not moved:
            return False
        self._store(connection, table, advance.rows, advance.deleted)
        parked = [*advance.parked, *await self._work(connection, table, advance.work)]
        connection.executemany(
            statement("park"), ((name, version, each.key, each.position, each.error) for each in parked)
        )
        if advance.live and not table.is_spare and not moved[0][0]:
            self._go_live(connection, table)
        return True

    def _store(
        self, connection: apsw.Connection, table: Table[Any], rows: Sequence[Row], deleted: Sequence[Key]
    ) -> None:
        connection.executemany(self._sql(table).upsert, self._sql(table).rows(rows))
        if deleted:
            connection.executemany(self._sql(table).delete, deleted)

    async def _work(self, connection: apsw.Connection, table: Table[Any], work: Work | None) -> Sequence[Parked]:
        if work is None:
            return ()
        here = Here(connection, self._guard, self._file.path)
        transaction = SqliteBatchTransaction(here, connection, self._sql(table).names)
        try:
            return await work(transaction)
        finally:
            transaction.end()

    def _go_live(self, connection: apsw.Connection, table: Table[Any]) -> None:
        """Let the live name show the table, once all of its segments have caught up."""
        name, version = _identity(table)
        if not connection.execute(statement("projection_unready"), (name, version)).fetchall()[0][0]:
            connection.execute(statement("projection_swap"), (name, version))
            connection.execute(self._sql(table).show())
            self._drop_old(connection, name)

    def _drop_old(self, connection: apsw.Connection, name: str) -> None:
        for (version,) in connection.execute(statement("projection_old"), (name,)).fetchall():
            connection.execute(drop(name, str(version)))
            further = connection.execute(statement("tables_of"), (f"{name}__{version}__",)).fetchall()
            for (each,) in further:
                connection.execute(f"DROP TABLE IF EXISTS {quoted(str(each))}")
            connection.execute(statement("projection_forget"), (name, version)).fetchall()
            connection.execute(statement("parked_forget"), (name, version, None)).fetchall()


class _Refused(Exception):
    """Rolls a transaction back in which something was not as it was expected to be."""


def _identity(table: Table[Any]) -> tuple[str, str]:
    return table.live_name, table.version


def _standing(checkpoint: Position, epoch: int, ready: int, live: int) -> Standing:
    return Standing(checkpoint, epoch, bool(ready), bool(live))


def _indexes(table: Table[Any]) -> tuple[str, tuple[str, str]]:
    """Return the statement that tells the indexes of a table and of the one beside it, with its values."""
    return statement("indexes"), (table.versioned_name, table.beside)
