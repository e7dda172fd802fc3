"""Read models in the schema `views`: written as the projector, read as the reader, who cannot write."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg

from twofold.clock import new_epoch
from twofold.engines.postgres.attendance import Attendances
from twofold.engines.postgres.columns import quoted
from twofold.engines.postgres.inquiries import Inquiries
from twofold.engines.postgres.news import Listener, Teller
from twofold.engines.postgres.server import Server
from twofold.engines.postgres.session import Connection
from twofold.engines.postgres.statements import statement
from twofold.engines.postgres.transaction import PostgresBatchTransaction, There
from twofold.engines.postgres.view_sql import ViewSql
from twofold.errors import HistoryMismatch, OutcomeUnknown, StoreFailed
from twofold.history.record import Position
from twofold.history.signal import Signal
from twofold.read.index import Changes, changes
from twofold.read.share import Attendance
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

CHANNEL = "twofold_views"
_HURRY = "somebody waits"
_POLL = 0.02
_POLL_LISTENING = 0.05


class PostgresViews:
    """Implements `twofold.read.store.SharedViewStore` on a database that any number of nodes share.

    Args:
        reader: the database as `twofold_reader`; None for a node that answers no queries.
        projector: the database as `twofold_projector`; None for a node that projects nothing.
    """

    def __init__(self, reader: Server | None, projector: Server | None) -> None:
        servers = [server for server in (reader, projector) if server is not None]
        self._servers = servers
        self._reader = servers[0]
        self._projector = servers[-1]
        self._moved = Signal()
        self.hurries = Signal()
        self._teller = Teller(self._projector, CHANNEL)
        self._hurrier = Teller(self._reader, CHANNEL, _HURRY)
        self._listener = Listener(self._reader, CHANNEL, self._heard)
        self._attendances = Attendances(self._projector)
        self._sql = cache(ViewSql)
        self._inquiries = Inquiries(self._reader)
        self._lags = len(servers) > 1 and self._projector.address.reads_elsewhere

    async def open(self) -> None:
        """Connect; see `Server.open` for what it raises."""
        for server in self._servers:
            await server.open()

    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        """Make the table where there is none; see `ViewStore.prepare`."""
        found = await self._projection(table, self._projector)
        if found is None:
            async with self._projector.transaction() as connection:
                await connection.execute(statement("views_lock"))
                await self._make(connection, table, history_id, epoch=0)
            found = await self._projection(table, self._projector)
            assert found is not None
        if found["history_id"] != history_id:
            raise HistoryMismatch(model=table.name, problem=f"it was made from history {found['history_id']}")
        await self._index(table)
        return int(found["checkpoint"])

    async def begin_spare(self, table: Table[Any], history_id: UUID) -> None:
        """Make the spare anew; see `ViewStore.begin_spare`."""
        await self._begin_anew(table.spare, history_id)

    async def begin_shadow(self, table: Table[Any], history_id: UUID) -> None:
        """Make the shadow anew."""
        await self._begin_anew(table.shadow, history_id, new_epoch())

    async def drop_shadow(self, table: Table[Any]) -> None:
        """Drop the shadow."""
        async with self._projector.transaction() as connection:
            await connection.execute(statement("views_lock"))
            await self._drop(connection, table.shadow)

    async def exchange(self, table: Table[Any]) -> bool:
        """Exchange the table and its spare; see `ViewStore.exchange`."""
        name, version, spare = table.live_name, table.version, table.spare.version
        one, other = self._sql(table), self._sql(table.spare)
        async with self._projector.transaction() as connection:
            await connection.execute(statement("views_lock"))
            # Nobody who reads is held up before there is a reason.
            if not await self._is_behind(connection, table):
                return False
            await connection.execute(one.lock("ACCESS EXCLUSIVE", other))
            if not await self._is_behind(connection, table, "FOR UPDATE"):
                return False
            for kind in ("projection_rename", "parked_rename"):
                for old, new in ((version, ""), (spare, version), ("", spare)):
                    await connection.execute(statement(kind), name, old, new)
            await connection.execute(one.exchange(other))
            await self._show(connection, table)
            for each in (version, spare):
                await connection.execute(statement("projection_new_epoch"), name, each)
        self._has_moved()
        return True

    async def standing(self, table: Table[Any], segment: int = 0) -> Standing | None:
        """Return where a segment stands."""
        rows = await self._projector.fetch(statement("projection_standing"), *_identity(table), segment)
        return Standing(*rows[0]) if rows else None

    async def standings(self, table: Table[Any]) -> Sequence[Standing]:
        """Return where each segment stands, as the reader sees it."""
        rows = await self._reader.fetch(statement("projection_standings"), *_identity(table))
        return [Standing(*row) for row in rows]

    def lags(self, table: Table[Any]) -> bool:
        """Tell whether the reader may be connected to a replica while this node projects on the primary."""
        return self._lags

    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        """Take or renew the lease by the database's clock; see `ViewStore.claim`."""
        while True:
            rows = await self._projector.call(statement("claim"), *_identity(table), segment, holder, float(seconds))
            epoch, found, left, mine = rows[0]
            if mine or (found not in (None, holder) and left > 0):
                return Lease(epoch=epoch, holder=found or "", mine=mine, seconds=left)
            # Somebody was faster, and the statement tells of the lease as it was before that.

    async def release(self, table: Table[Any], holder: str, segment: int = 0) -> None:
        """Give up the holder's lease."""
        if await self._projector.call(statement("release"), *_identity(table), segment, holder):
            self._has_moved()

    async def attend(self, node: str, tables: Collection[str], seconds: float) -> None:
        """Note that a node projects; see `SharedViewStore.attend`."""
        await self._attendances.attend(node, tables, seconds)
        self._has_moved()

    async def leave(self, node: str) -> None:
        """Note that a node projects no longer."""
        await self._attendances.leave(node)
        self._has_moved()

    async def attendance(self, node: str) -> Attendance:
        """Return who projects what."""
        return await self._attendances.attendance(node)

    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        """Return rows by key."""
        rows = await self._by_key(table, keys, self._projector)
        return {table.key_in(row): row for row in rows}

    async def parked_keys(self, table: Table[Any]) -> Mapping[str, Position]:
        """Return the parked keys."""
        rows = await self._projector.fetch(statement("parked_keys"), *_identity(table))
        return {row[0]: row[1] for row in rows}

    async def parked(self, table: Table[Any], key: str | None = None) -> Sequence[Parked]:
        """Return the parked events."""
        return [Parked(*row) for row in await self._reader.fetch(statement("parked"), *_identity(table), key)]

    async def unpark(self, table: Table[Any], unparked: Unparked) -> bool:
        """Forget a key's parked events; see `ViewStore.unpark`."""
        with contextlib.suppress(_Refused):
            async with self._projector.transaction() as connection:
                await connection.execute(self._sql(table).lock("ROW EXCLUSIVE"))
                # It locks the segments' rows: no batch is stored in between.
                await connection.execute(statement("projection_new_epoch"), *_identity(table))
                found = await connection.fetch(statement("parked_forget"), *_identity(table), unparked.key)
                if {row[0] for row in found} != set(unparked.positions):
                    raise _Refused
                await self._store(connection, table, unparked.rows, unparked.deleted)
                if unparked.work is not None:
                    await self._work(connection, table, unparked.work)
            self._has_moved()
            return True
        return False

    async def rows_at(self, table: Table[Any], keys: Sequence[Key], segment: int = 0) -> tuple[Position, Sequence[Row]]:
        """Return rows and the checkpoint, read in one state of the database."""
        async with self._projector.transaction() as connection:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            standing = await connection.fetch(statement("projection_standing"), *_identity(table), segment)
            rows = await connection.fetch(self._sql(table).by_keys, *zip(*keys, strict=True)) if keys else []
        return standing[0][0], list(map(tuple, rows))

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        """Store a batch, in one statement where that will do; see `ViewStore.apply`."""
        try:
            is_plain = not advance.live and not advance.deleted and advance.work is None
            stored = await (self._apply(table, advance) if is_plain else self._apply_in_steps(table, advance))
        except OutcomeUnknown as error:
            found = await self.standing(table, advance.segment)
            stored = found is not None and (found.checkpoint, found.epoch) == (advance.reached, advance.epoch)
            if not stored:
                # Should it come through late, the next batch does not find the checkpoint that it expects.
                raise StoreFailed(path=self._projector.address.shown, problem=error.problem) from error
        if stored:
            self._has_moved()
        return stored

    async def checkpoint(self, table: Table[Any]) -> Position | None:
        """Return the checkpoint while the table is live."""
        found = await self._projection(table, self._reader)
        return int(found["checkpoint"]) if found is not None and found["live"] else None

    def hurry(self) -> None:
        """Tell the nodes that project that somebody waits; see `SharedViewStore.hurry`."""
        self._hurrier.tell()

    async def changed(self, seen: int) -> int:
        """Return at a hint of some node's, or after 20 ms (50 ms while hints are listened to)."""
        self._listener.start()
        return await self._moved.since(seen, _POLL_LISTENING if self._listener.listens else _POLL)

    async def status(self, table: Table[Any]) -> TableStatus:
        """Return how the table stands."""
        found = await self._projection(table, self._reader)
        if found is None:
            return TableStatus(checkpoint=0, live=False, rows=0, parked=0)
        return TableStatus(
            checkpoint=found["checkpoint"],
            live=found["live"],
            rows=await self.count(table, Page()),
            parked=len(await self._reader.fetch(statement("parked_keys"), *_identity(table))),
            holder=found["holder"],
            head=found["head"],
        )

    async def segments(self, table: Table[Any]) -> Sequence[SegmentStatus]:
        """Return how each segment stands."""
        rows = await self._reader.fetch(statement("projection_segments"), *_identity(table))
        return [SegmentStatus(row["checkpoint"], row["holder"], row["rate"]) for row in rows]

    async def versions(self, table: Table[Any]) -> Sequence[Version]:
        """Return what is kept under a live name."""
        return [Version(*row) for row in await self._reader.fetch(statement("projection_versions"), table.live_name)]

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        """Return the rows that have these keys."""
        return await self._by_key(table, keys, self._where(table))

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """Return a page of rows."""
        sql, values = self._sql(table).page(page)
        return list(map(tuple, await self._where(table).fetch(sql, *values)))

    async def count(self, table: Table[Any], page: Page) -> int:
        """Count rows."""
        sql, values = self._sql(table).count(page)
        return int((await self._reader.fetch(sql, *values))[0][0])

    def dialect(self, table: Table[Any]) -> str:
        """Return SQLAlchemy's name for the SQL of this engine."""
        return "postgresql"

    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """Return what a SELECT finds, as a role that cannot write."""
        return await self._inquiries.rows(table, self._sql(table).select + text, values)

    async def close(self) -> None:
        """Close the connections."""
        await self._teller.close()
        await self._hurrier.close()
        await self._listener.close()
        for server in self._servers:
            await server.close()

    async def _begin_anew(self, table: Table[Any], history_id: UUID, epoch: int = 0) -> None:
        async with self._projector.transaction() as connection:
            await connection.execute(statement("views_lock"))
            await self._make(connection, table, history_id, max(epoch, await self._drop(connection, table) + 1))

    async def _is_behind(self, connection: Connection, table: Table[Any], locking: str = "") -> bool:
        """Tell whether the spare can take the table's place, all segments of it."""
        sql = f"{statement('projection_behind')} {locking}"
        can = await connection.fetch(sql, table.live_name, table.version, table.spare.version)
        return len(can) == table.segments and all(row[0] for row in can)

    async def _drop(self, connection: Connection, table: Table[Any]) -> int:
        """Drop a table, and return the highest epoch that it had; -1 where there was none."""
        await connection.execute(self._sql(table).drop())
        epochs = await connection.fetch(statement("projection_forget"), *_identity(table))
        return max((row[0] for row in epochs), default=-1)

    async def _index(self, table: Table[Any]) -> None:
        """Make the declared indexes that there are not, and drop those that are declared no more."""
        changes = self._changes(table, await self._projector.fetch(*_indexes(table)))
        if changes.made or changes.dropped:
            async with self._projector.long_transaction() as connection:
                await connection.execute(statement("index_lock"), table.live_name)
                changes = self._changes(table, await connection.fetch(*_indexes(table)))
                for each in self._sql(table).change(changes):
                    await connection.execute(each)

    def _changes(self, table: Table[Any], found: Sequence[asyncpg.Record]) -> Changes:
        here = [name for of, name in found if of == table.versioned_name]
        beside = [name for of, name in found if of != table.versioned_name]
        return changes(table.fingerprint, self._sql(table).indexes(), here, beside)

    async def _projection(self, table: Table[Any], server: Server) -> asyncpg.Record | None:
        rows = await server.fetch(statement("projection"), *_identity(table))
        return rows[0] if rows else None

    def _where(self, table: Table[Any]) -> Server:
        # Nobody queries a table beside the live one: who compares the two reads it where it is written.
        return self._projector if table.is_spare else self._reader

    async def _by_key(self, table: Table[Any], keys: Sequence[Key], server: Server) -> list[Row]:
        sql = self._sql(table)
        if len(keys) == 1:
            rows = await server.fetch(sql.by_key, *keys[0])
        else:
            rows = await server.fetch(sql.by_keys, *zip(*keys, strict=True)) if keys else []
        return list(map(tuple, rows))

    async def _apply(self, table: Table[Any], advance: Advance) -> bool:
        return bool(await self._projector.call(*self._advance(table, advance)))

    async def _apply_in_steps(self, table: Table[Any], advance: Advance) -> bool:
        async with self._projector.transaction() as connection:
            if advance.live:
                await connection.execute(statement("views_lock"))
            if advance.deleted or advance.work is not None:
                await connection.execute(self._sql(table).lock("ROW EXCLUSIVE"))
            moved = await connection.fetch(*self._advance(table, advance))
            if moved and advance.deleted:
                await connection.execute(self._sql(table).delete, *zip(*advance.deleted, strict=True))
            if moved and advance.work is not None:
                parked = await self._work(connection, table, advance.work)
                await connection.executemany(
                    statement("park"), [(*_identity(table), each.key, each.position, each.error) for each in parked]
                )
            if moved and advance.live and not moved[0]["live"] and not table.is_spare:
                await self._go_live(connection, table)
            return bool(moved)

    async def _work(self, connection: Connection, table: Table[Any], work: Work) -> Sequence[Parked]:
        there = There(connection, self._projector.address.shown)
        transaction = PostgresBatchTransaction(there, connection, self._sql(table).names)
        try:
            return await work(transaction)
        finally:
            transaction.end()

    async def _go_live(self, connection: Connection, table: Table[Any]) -> None:
        """Let the live name show the table, once all of its segments have caught up."""
        if not await connection.fetch(statement("projection_unready"), *_identity(table)):
            await self._show(connection, table)

    async def _show(self, connection: Connection, table: Table[Any]) -> None:
        await connection.execute(statement("projection_swap"), *_identity(table))
        await connection.execute(self._sql(table).show())
        await _drop_old(connection, table.live_name)

    async def _make(self, connection: Connection, table: Table[Any], history_id: UUID, epoch: int) -> None:
        values = (*_identity(table), history_id, table.segments, epoch, table.shape)
        await connection.execute(statement("projection_begin"), *values)
        await connection.execute(self._sql(table).create())
        for each in self._sql(table).change(self._changes(table, await connection.fetch(*_indexes(table)))):
            await connection.execute(each)

    async def _store(
        self, connection: Connection, table: Table[Any], rows: Sequence[Row], deleted: Sequence[Key]
    ) -> None:
        if rows:
            await connection.execute(self._sql(table).upsert, *self._sql(table).rows(rows))
        if deleted:
            await connection.execute(self._sql(table).delete, *zip(*deleted, strict=True))

    def _advance(self, table: Table[Any], advance: Advance) -> tuple[Any, ...]:
        sql = self._sql(table)
        numbers = (advance.segment, advance.expected, advance.reached, advance.epoch, advance.head, advance.live)
        parked = (
            [each.key for each in advance.parked],
            [each.position for each in advance.parked],
            [each.error for each in advance.parked],
        )
        rows = sql.rows(advance.rows)
        text = sql.advance_with_rows if advance.rows else sql.advance
        return (text, *_identity(table), *numbers, *parked, advance.rate, *rows)

    def _heard(self, news: str) -> None:
        (self.hurries if news == _HURRY else self._moved).notify()

    def _has_moved(self) -> None:
        self._moved.notify()
        self._teller.tell()


class _Refused(Exception):
    """Rolls a transaction back in which something was not as it was expected to be."""


async def _drop_old(connection: Connection, name: str) -> None:
    for (version,) in await connection.fetch(statement("projection_old"), name):
        whole = f"{name}__{version}"
        for (each,) in await connection.fetch(statement("tables_of"), whole, f"{whole}__"):
            await connection.execute(f"DROP TABLE IF EXISTS views.{quoted(each)}")
        await connection.fetch(statement("projection_forget"), name, version)


def _identity(table: Table[Any]) -> tuple[str, str]:
    return table.live_name, table.version


def _indexes(table: Table[Any]) -> tuple[str, list[str]]:
    """Return the statement that tells the indexes of a table and of the one beside it, with its value."""
    return statement("indexes"), [table.versioned_name, table.beside]
