"""Read models in the schema `views`: written as the projector, read as the reader, who cannot write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg

from twofold.engines.postgres.named import converted, numbered
from twofold.engines.postgres.news import Listener, Teller
from twofold.engines.postgres.server import Server
from twofold.engines.postgres.session import Connection
from twofold.engines.postgres.statements import statement
from twofold.engines.postgres.view_sql import ViewSql
from twofold.errors import HistoryMismatch, InvalidFilter, OutcomeUnknown, StoreError, StoreFailed
from twofold.history.record import Position
from twofold.history.signal import Signal
from twofold.read.store import Advance, Lease, Page, TableStatus
from twofold.read.table import Key, Row, Table

CHANNEL = "twofold_views"
_POLL = 0.02
_POLL_LISTENING = 0.05
_TEXTS_KNOWN = 1000
# Of SQLSTATE: wrong values, wrong statements, a transaction that cannot write, limits of the parser.
_REFUSALS = ("0A", "22", "25", "2B", "42", "54")


class PostgresViews:
    """Implements `twofold.read.store.ViewStore` on a database that any number of nodes share.

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
        self._teller = Teller(self._projector, CHANNEL)
        self._listener = Listener(self._reader, CHANNEL, self._moved.notify)
        self._sql = cache(ViewSql)
        self._kinds: dict[str, Sequence[str]] = {}

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
                await connection.execute(statement("projection_begin"), *_identity(table), history_id)
                await connection.execute(self._sql(table).create())
            found = await self._projection(table, self._projector)
            assert found is not None
        if found["history_id"] != history_id:
            raise HistoryMismatch(model=table.name, problem=f"it was made from history {found['history_id']}")
        return int(found["checkpoint"])

    async def claim(self, table: Table[Any], holder: str, seconds: float) -> Lease:
        """Take or renew the lease by the database's clock; see `ViewStore.claim`."""
        rows = await self._projector.call(statement("claim"), *_identity(table), holder, float(seconds))
        epoch, found, left, mine = rows[0]
        return Lease(epoch=epoch, holder=found or "", mine=mine, seconds=left)

    async def release(self, table: Table[Any], holder: str) -> None:
        """Give up the holder's lease."""
        if await self._projector.call(statement("release"), *_identity(table), holder):
            self._has_moved()

    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        """Return rows by key."""
        rows = await self._by_key(table, keys, self._projector)
        return {table.key_in(row): row for row in rows}

    async def parked_keys(self, table: Table[Any]) -> Mapping[str, Position]:
        """Return the parked keys."""
        rows = await self._projector.fetch(statement("parked_keys"), *_identity(table))
        return {row[0]: row[1] for row in rows}

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        """Store a batch in one statement, which is one transaction; see `ViewStore.apply`."""
        try:
            stored = await (self._apply_live(table, advance) if advance.live else self._apply(table, advance))
        except OutcomeUnknown as error:
            found = await self._projection(table, self._projector)
            stored = found is not None and (found["checkpoint"], found["epoch"]) == (advance.reached, advance.epoch)
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

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        """Return the rows that have these keys."""
        return await self._by_key(table, keys, self._reader)

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """Return a page of rows."""
        sql, values = self._sql(table).page(page)
        return list(map(tuple, await self._reader.fetch(sql, *values)))

    async def count(self, table: Table[Any], page: Page) -> int:
        """Count rows."""
        sql, values = self._sql(table).count(page)
        return int((await self._reader.fetch(sql, *values))[0][0])

    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """Return what a SELECT finds, as a role that cannot write."""
        sql, names = numbered(self._sql(table).select + text)
        missing = [name for name in names if name not in values]
        if missing:
            raise InvalidFilter(model=table.name, problem=f"no value was given for :{missing[0]}")
        try:
            kinds = await self._kinds_of(sql)
            if len(kinds) != len(names):
                problem = "write :name for a value, and give it by that name; there is no other parameter"
                raise InvalidFilter(model=table.name, problem=problem)
            bound = [converted(values[name], kind) for name, kind in zip(names, kinds, strict=True)]
            return list(map(tuple, await self._reader.inspect(sql, *bound)))
        except (ValueError, TypeError, ArithmeticError) as error:
            raise InvalidFilter(model=table.name, problem=f"a value cannot be used: {error}") from error
        except StoreError as error:
            cause = error.__cause__
            if isinstance(cause, asyncpg.PostgresError) and (cause.sqlstate or "").startswith(_REFUSALS):
                problem = f"the SQL text is refused: {cause.args[0]}"
                raise InvalidFilter(model=table.name, problem=problem) from error
            raise

    async def close(self) -> None:
        """Close the connections."""
        await self._teller.close()
        await self._listener.close()
        for server in self._servers:
            await server.close()

    async def _projection(self, table: Table[Any], server: Server) -> asyncpg.Record | None:
        rows = await server.fetch(statement("projection"), *_identity(table))
        return rows[0] if rows else None

    async def _by_key(self, table: Table[Any], keys: Sequence[Key], server: Server) -> list[Row]:
        sql = self._sql(table)
        if len(keys) == 1:
            rows = await server.fetch(sql.by_key, *keys[0])
        else:
            rows = await server.fetch(sql.by_keys, *zip(*keys, strict=True)) if keys else []
        return list(map(tuple, rows))

    async def _apply(self, table: Table[Any], advance: Advance) -> bool:
        return bool(await self._projector.call(*self._advance(table, advance)))

    async def _apply_live(self, table: Table[Any], advance: Advance) -> bool:
        async with self._projector.transaction() as connection:
            await connection.execute(statement("views_lock"))
            moved = await connection.fetch(*self._advance(table, advance))
            if moved and not moved[0]["live"]:
                await connection.execute(statement("projection_swap"), *_identity(table))
                await connection.execute(self._sql(table).show())
                await _drop_old(connection, table.live_name)
            return bool(moved)

    def _advance(self, table: Table[Any], advance: Advance) -> tuple[Any, ...]:
        sql = self._sql(table)
        numbers = (advance.expected, advance.reached, advance.epoch, advance.head)
        parked = (
            [each.key for each in advance.parked],
            [each.position for each in advance.parked],
            [each.error for each in advance.parked],
        )
        rows = zip(*advance.rows, strict=True)
        text = sql.advance_with_rows if advance.rows else sql.advance
        return (text, *_identity(table), *numbers, *parked, *rows)

    async def _kinds_of(self, sql: str) -> Sequence[str]:
        """Return the types that the database infers for the parameters of a statement."""
        kinds = self._kinds.get(sql)
        if kinds is None:
            async with self._reader.transaction() as connection:
                prepared = await connection.prepare(sql)
                kinds = [kind.name for kind in prepared.get_parameters()]
            if len(self._kinds) >= _TEXTS_KNOWN:
                self._kinds.clear()
            self._kinds[sql] = kinds
        return kinds

    def _has_moved(self) -> None:
        self._moved.notify()
        self._teller.tell()


async def _drop_old(connection: Connection, name: str) -> None:
    for (fingerprint,) in await connection.fetch(statement("projection_old"), name):
        await connection.execute(f'DROP TABLE IF EXISTS views."{name}__{fingerprint}"')
        await connection.execute(statement("projection_forget"), name, fingerprint)


def _identity(table: Table[Any]) -> tuple[str, str]:
    return table.live_name, table.fingerprint
