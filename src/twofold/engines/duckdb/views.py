"""Read models in `views.duckdb`.

Rows and checkpoint are lost together, or kept together, at a crash; what is lost is projected again from the history.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from twofold.clock import new_epoch
from twofold.engines.duckdb.failure import FAILURES, first_line, is_held_elsewhere
from twofold.engines.duckdb.file import File
from twofold.engines.duckdb.guard import Refused, check
from twofold.engines.duckdb.named import with_values
from twofold.engines.duckdb.reader import Reader, fetched
from twofold.engines.duckdb.statements import statement
from twofold.engines.duckdb.transaction import DuckDbBatchTransaction
from twofold.engines.duckdb.view_sql import ViewSql
from twofold.engines.duckdb.writer import CommitFailed, Steps, Writer
from twofold.errors import HistoryMismatch, InvalidFilter, StoreError, StoreFailed
from twofold.history.record import Position
from twofold.history.signal import Signal
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

FILE = "views.duckdb"
_POLL = 0.02


class DuckDbViews:
    """Implements `twofold.read.store.ViewStore` on a file that this process alone has open.

    Where another process has it, every method says so until that one has ended.

    Args:
        folder: where `views.duckdb` lies or is made.

    Raises:
        StoreUnavailable, ForeignFile, NewerSchema, StoreFailed: it cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file: File | None = None
        self._closed = False
        self._moved = Signal()
        self._sql = cache(ViewSql)
        try:
            self._open()
        except StoreError as error:
            if not is_held_elsewhere(error):
                raise

    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        """Make the table where there is none; see `ViewStore.prepare`. Declared indexes are not made."""
        found = await self._projection(table)
        if found is None:
            async with self._change() as steps:
                await steps.run(self._make, table, history_id, 0)
            found = await self._projection(table) or (str(history_id), 0, False)
        if found[0] != str(history_id):
            raise HistoryMismatch(model=table.name, problem=f"it was made from history {found[0]}")
        return int(found[1])

    async def begin_spare(self, table: Table[Any], history_id: UUID) -> None:
        """Make the spare anew; see `ViewStore.begin_spare`."""
        async with self._change() as steps:
            await steps.run(self._begin_anew, table.spare, history_id)

    async def begin_shadow(self, table: Table[Any], history_id: UUID) -> None:
        """Make the shadow anew."""
        async with self._change() as steps:
            await steps.run(self._begin_anew, table.shadow, history_id, new_epoch())

    async def drop_shadow(self, table: Table[Any]) -> None:
        """Drop the shadow."""
        async with self._change() as steps:
            await steps.run(self._drop, table.shadow)

    async def exchange(self, table: Table[Any]) -> bool:
        """Exchange the table and its spare; see `ViewStore.exchange`."""
        with contextlib.suppress(_Refused):
            async with self._change() as steps:
                await steps.run(self._exchange, table)
            self._moved.notify()
            return True
        return False

    async def standing(self, table: Table[Any], segment: int = 0) -> Standing | None:
        """Return where a segment stands."""
        rows = await self._reader.rows(statement("projection_standing"), (*_identity(table), segment))
        return Standing(*rows[0]) if rows else None

    async def standings(self, table: Table[Any]) -> Sequence[Standing]:
        """Return where each segment stands."""
        return [Standing(*row) for row in await self._reader.rows(statement("projection_standings"), _identity(table))]

    def lags(self, table: Table[Any]) -> bool:
        """Tell that queries see at once what was stored."""
        return False

    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        """Give everybody the same lease: all who can ask are in this process, and the checkpoint keeps them apart."""
        standing = await self.standing(table, segment)
        return Lease(epoch=0 if standing is None else standing.epoch, holder=holder, mine=True)

    async def release(self, table: Table[Any], holder: str, segment: int = 0) -> None:
        """Do nothing: there is nothing to give up."""

    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        """Return rows by key."""
        return {table.key_in(row): row for row in await self.get(table, keys)}

    async def parked_keys(self, table: Table[Any]) -> Mapping[str, Position]:
        """Return the parked keys."""
        return dict(await self._reader.rows(statement("parked_keys"), _identity(table)))

    async def parked(self, table: Table[Any], key: str | None = None) -> Sequence[Parked]:
        """Return the parked events."""
        rows = await self._reader.rows(statement("parked"), (*_identity(table), key))
        return [Parked(*row) for row in rows]

    async def unpark(self, table: Table[Any], unparked: Unparked) -> bool:
        """Forget a key's parked events; see `ViewStore.unpark`."""

        def begin(connection: duckdb.DuckDBPyConnection) -> None:
            found = connection.execute(statement("parked_forget"), (*_identity(table), unparked.key)).fetchall()
            if {position for (position,) in found} != set(unparked.positions):
                raise _Refused
            self._store(connection, table, unparked.rows, unparked.deleted)
            connection.execute(statement("projection_new_epoch"), _identity(table))

        with contextlib.suppress(_Refused):
            async with self._change() as steps:
                await steps.run(begin)
                await self._work(steps, table, unparked.work, begin)
            self._moved.notify()
            return True
        return False

    async def rows_at(self, table: Table[Any], keys: Sequence[Key], segment: int = 0) -> tuple[Position, Sequence[Row]]:
        """Return rows and the checkpoint, read in one transaction."""

        def read(connection: duckdb.DuckDBPyConnection) -> tuple[Position, Sequence[Row]]:
            standing = fetched(connection, statement("projection_standing"), (*_identity(table), segment))
            return standing[0][0], fetched(connection, *self._sql(table).by_keys(keys)) if keys else []

        return await self._reader.snapshot(read)

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        """Store a batch in one transaction; see `ViewStore.apply`."""

        def begin(connection: duckdb.DuckDBPyConnection) -> bool:
            was_live = self._advance(connection, table, advance)
            self._store(connection, table, advance.rows, advance.deleted)
            return was_live

        try:
            async with self._writer.transaction() as steps:
                was_live = await steps.run(begin)
                parked = [*advance.parked, *await self._work(steps, table, advance.work, begin)]
                goes_live = advance.live and not table.is_spare and not was_live
                if parked or goes_live:
                    await steps.run(self._finish, table, parked, goes_live)
        except _Refused:
            return False
        except CommitFailed as failure:
            standing = await self.standing(table, advance.segment)
            if standing is None or (standing.checkpoint, standing.epoch) != (advance.reached, advance.epoch):
                raise failure.error from failure
        self._moved.notify()
        return True

    async def checkpoint(self, table: Table[Any]) -> Position | None:
        """Return the checkpoint while the table is live."""
        found = await self._projection(table)
        return int(found[1]) if found is not None and found[2] else None

    async def changed(self, seen: int) -> int:
        """Return at the next batch, or after 20 ms."""
        return await self._moved.since(seen, _POLL)

    async def status(self, table: Table[Any]) -> TableStatus:
        """Return how the table stands."""
        found = await self._projection(table)
        if found is None:
            return TableStatus(checkpoint=0, live=False, rows=0, parked=0)
        rows, parked = await self.count(table, Page()), await self.parked_keys(table)
        return TableStatus(checkpoint=int(found[1]), live=found[2], rows=rows, parked=len(parked))

    async def segments(self, table: Table[Any]) -> Sequence[SegmentStatus]:
        """Return how each segment stands."""
        rows = await self._reader.rows(statement("projection_segments"), _identity(table))
        return [SegmentStatus(checkpoint) for (checkpoint,) in rows]

    async def versions(self, table: Table[Any]) -> Sequence[Version]:
        """Return what is kept under a live name."""
        rows = await self._reader.rows(statement("projection_versions"), (table.live_name,))
        return [Version(*row) for row in rows]

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        """Return the rows that have these keys."""
        return await self._reader.rows(*self._sql(table).by_keys(keys)) if keys else []

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """Return a page of rows."""
        return await self._reader.rows(*self._sql(table).page(page))

    async def count(self, table: Table[Any], page: Page) -> int:
        """Count rows."""
        rows = await self._reader.rows(*self._sql(table).count(page))
        return int(rows[0][0])

    def dialect(self, table: Table[Any]) -> str:
        """Return the name of DuckDB's SQL."""
        return "duckdb"

    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """Return what a SELECT finds, in a transaction that cannot write."""

        def read(connection: duckdb.DuckDBPyConnection) -> Sequence[Row]:
            try:
                named, used = with_values(self._sql(table).select + text, values)
                check(named, "query")
                return fetched(connection, named, used)
            except FAILURES:
                raise
            except (Refused, duckdb.Error) as error:
                why = first_line(error) if isinstance(error, duckdb.Error) else str(error)
                raise InvalidFilter(model=table.name, problem=f"the SQL text is refused: {why}") from error
            except KeyError as error:
                raise InvalidFilter(model=table.name, problem=f"no value was given for :{error.args[0]}") from error

        return await self._reader.snapshot(read)

    async def close(self) -> None:
        """Interrupt what is read, and close the file after the transaction that is under way."""
        if not self._closed:
            self._closed = True
            if self._file is not None:
                await self._opened_reader.close()
                await self._opened_writer.close()
                self._file.close()

    @property
    def _reader(self) -> Reader:
        self._open()
        return self._opened_reader

    @property
    def _writer(self) -> Writer:
        self._open()
        return self._opened_writer

    def _open(self) -> None:
        if self._closed:
            raise StoreFailed(path=str(self._path), problem="the file was closed")
        if self._file is None:
            file = File.open(self._path)
            self._opened_reader, self._opened_writer = Reader(file), Writer(file)
            self._file = file

    async def _projection(self, table: Table[Any]) -> tuple[Any, ...] | None:
        rows = await self._reader.rows(statement("projection"), _identity(table))
        return rows[0] if rows else None

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[Steps]:
        """Give the transaction for what is no batch of a projection."""
        try:
            async with self._writer.transaction() as steps:
                yield steps
        except CommitFailed as failure:
            raise failure.error from failure

    async def _work(
        self,
        steps: Steps,
        table: Table[Any],
        work: Work | None,
        before: Callable[[duckdb.DuckDBPyConnection], object],
    ) -> Sequence[Parked]:
        if work is None:
            return ()
        transaction = DuckDbBatchTransaction(steps, self._sql(table).names, before)
        try:
            return await work(transaction)
        finally:
            transaction.end()

    def _make(self, connection: duckdb.DuckDBPyConnection, table: Table[Any], history_id: UUID, epoch: int) -> None:
        for segment in range(table.segments):
            values = (*_identity(table), segment, str(history_id), epoch, table.shape)
            connection.execute(statement("projection_begin"), values)
        _run_all(connection, self._sql(table).create())

    def _begin_anew(
        self, connection: duckdb.DuckDBPyConnection, table: Table[Any], history_id: UUID, epoch: int = 0
    ) -> None:
        self._make(connection, table, history_id, max(epoch, self._drop(connection, table) + 1))

    def _drop(self, connection: duckdb.DuckDBPyConnection, table: Table[Any]) -> int:
        """Drop a table, and return the highest epoch that it had; -1 where there was none."""
        epochs = [epoch for (epoch,) in fetched(connection, statement("projection_forget"), _identity(table))]
        connection.execute(statement("parked_forget"), (*_identity(table), None))
        _run_all(connection, self._sql(table).drop())
        return max(epochs, default=-1)

    def _exchange(self, connection: duckdb.DuckDBPyConnection, table: Table[Any]) -> None:
        name, version, spare = table.live_name, table.version, table.spare.version
        ((behind,),) = fetched(connection, statement("projection_behind"), (name, version, spare))
        if behind or not fetched(connection, statement("projection_segments"), (name, spare)):
            raise _Refused
        for kind in ("projection_exchange", "parked_exchange"):
            connection.execute(statement(kind), (name, version, spare))
        _run_all(connection, self._sql(table).exchange(self._sql(table.spare)))
        for each in (version, spare):
            connection.execute(statement("projection_new_epoch"), (name, each))
        self._show(connection, table)

    def _advance(self, connection: duckdb.DuckDBPyConnection, table: Table[Any], advance: Advance) -> bool:
        """Move the checkpoint, and return whether the table is live; refused where it is not the expected one."""
        values = (advance.segment, advance.expected, advance.epoch, advance.reached, advance.live)
        moved = fetched(connection, statement("projection_advance"), (*_identity(table), *values))
        if not moved:
            raise _Refused
        return bool(moved[0][0])

    def _store(
        self, connection: duckdb.DuckDBPyConnection, table: Table[Any], rows: Sequence[Row], deleted: Sequence[Key]
    ) -> None:
        sql = self._sql(table)
        if rows:
            # 85,000 to 110,000 rows a second here, where `executemany` has about 1,000, and lists that are unnested
            # have 60,000.
            with connection.appender(table.versioned_name, action="upsert") as appender:
                appender.append_rows(sql.rows(rows))
        if deleted:
            connection.execute(sql.delete, sql.keys(deleted))

    def _finish(
        self, connection: duckdb.DuckDBPyConnection, table: Table[Any], parked: Sequence[Parked], goes_live: bool
    ) -> None:
        """Park events; let the live name show the table, once all of its segments have caught up."""
        if parked:
            columns = ([getattr(each, name) for each in parked] for name in ("key", "position", "error"))
            connection.execute(statement("park"), (*_identity(table), *columns))
        if goes_live and not fetched(connection, statement("projection_unready"), _identity(table))[0][0]:
            self._show(connection, table)

    def _show(self, connection: duckdb.DuckDBPyConnection, table: Table[Any]) -> None:
        connection.execute(statement("projection_swap"), _identity(table))
        connection.execute(self._sql(table).show())
        for (version,) in fetched(connection, statement("projection_old"), (table.live_name,)):
            _drop(connection, table.live_name, str(version))


class _Refused(Exception):
    """Rolls a transaction back in which something was not as it was expected to be."""


def _identity(table: Table[Any]) -> tuple[str, str]:
    return table.live_name, table.version


def _run_all(connection: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> None:
    for text in texts:
        connection.execute(text)


def _drop(connection: duckdb.DuckDBPyConnection, name: str, version: str) -> None:
    """Drop the tables of an old version, and forget it."""
    table = f"{name}__{version}"
    further = fetched(connection, statement("tables_of"), (f"{table}__",))
    _run_all(connection, [f'DROP TABLE IF EXISTS "{each}"' for (each,) in [(table,), *further]])
    for kind, values in {"projection_forget": (name, version), "parked_forget": (name, version, None)}.items():
        connection.execute(statement(kind), values)
