"""A database as one role uses it: a few connections, each use under a deadline, healing by themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import asyncpg

from twofold.engines.postgres.address import Address, DatabaseRole
from twofold.engines.postgres.failure import DRIVERS, is_lost, translate
from twofold.engines.postgres.session import Connection, Session
from twofold.errors import OutcomeUnknown, StoreBusy, StoreError, StoreFailed

_NO_TIMEOUT = """
    SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('transaction_timeout', true) IS NOT NULL;
    SET LOCAL statement_timeout = 0
"""


class Cut(Exception):
    """A connection was lost in use, or cut at the deadline; `error` is what to raise where nothing was stored."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(str(error))
        self.error = error


class Server:
    """A PostgreSQL database, connected to as one of Twofold's roles.

    Every use ends within the address's deadline: a connection that does not answer by then is cut, and the next use
    gets a new one. Nothing needs a restart after the server was away.

    Args:
        address: the database.
        role: as whom.
    """

    def __init__(self, address: Address, role: DatabaseRole) -> None:
        self.address = address
        self._session = Session(address, role)
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(address.connections)
        self._closed = False

    @property
    def pooled(self) -> bool:
        """True behind a pooler that gives each transaction another session; known once it is open."""
        return self._session.pooled

    async def open(self) -> None:
        """Connect.

        Raises:
            StoreUnavailable, NotInitialized, NewerSchema, StoreBusy: it cannot be worked with.
        """
        self._idle.append(await self._session.first())

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Return the rows of a statement that only reads.

        It is tried again, once, where the connection was lost, or where it was given up for another in a deadlock.

        Raises:
            StoreError: it could not be read.
        """
        return await self._twice(partial(self._rows, sql, *values))

    async def inspect(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Return the rows of a statement that is not Twofold's own; tried again as `fetch` is.

        It runs in a transaction that cannot write and is rolled back, so that not even a setting of it stays: where one
        URL serves all roles, `set_config('role', …)` would be a way out of the reader's.

        Raises:
            StoreError: it could not be read, or is refused.
        """
        return await self._twice(partial(self._inspected, sql, *values))

    async def call(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Return the rows of a statement that writes, in a transaction of its own. It is never tried again.

        Raises:
            OutcomeUnknown: the connection was lost, or it was not answered before the deadline.
            StoreError: nothing was stored.
        """
        try:
            return await self._rows(sql, *values)
        except Cut as cut:
            raise self._unknown(cut) from cut

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Give a connection inside a transaction (READ COMMITTED), commit at the end of the block.

        It is rolled back if the block raises; what the block raises, other than the driver's errors, is raised again.

        Raises:
            OutcomeUnknown: the connection was lost in the COMMIT, or it was not answered before the deadline.
            StoreError: nothing was stored.
        """
        committing = False
        try:
            async with self._use() as connection:
                await connection.execute(self._session.begins())
                try:
                    yield connection
                except Exception as error:
                    if not is_lost(error):
                        await connection.execute("ROLLBACK")
                    raise
                committing = True
                await self._commit(connection)
        except Cut as cut:
            raise (self._unknown(cut) if committing else cut.error) from cut

    @asynccontextmanager
    async def long_transaction(self) -> AsyncIterator[Connection]:
        """Give a connection of its own inside a transaction that may take as long as it takes.

        Raises:
            StoreError: it was rolled back, or it is unknown whether it was; what it does must bear to be done again.
        """
        connection = await self._session.connect()
        try:
            await connection.execute(f"{self._session.begins()} {_NO_TIMEOUT}")
            yield connection
            await self._commit(connection)
        except DRIVERS as error:
            raise translate(error, self.address.shown) from error
        finally:
            # Rolls back, where it was not committed.
            connection.terminate()

    async def connect(self) -> Connection:
        """Return a connection outside the pool, for who listens; the caller closes it."""
        return await self._session.connect()

    def forget(self) -> None:
        """Drop the connections that are idle: they were lost together with one that was in use."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.terminate()

    async def close(self) -> None:
        """Close what is idle now, and what is in use when its use ends. May be called twice."""
        self._closed = True
        idle, self._idle = self._idle, []
        try:
            for connection in idle:
                with contextlib.suppress(Exception):
                    await connection.close(timeout=1.0)
        finally:
            # If this is cancelled, none is left open.
            for connection in idle:
                connection.terminate()

    async def _twice(self, read: Callable[[], Awaitable[list[asyncpg.Record]]]) -> list[asyncpg.Record]:
        try:
            return await read()
        except Cut as cut:
            if isinstance(cut.error, StoreBusy):
                raise cut.error from cut
            self.forget()
        except StoreBusy as busy:
            # Two tables were exchanged between the locks on one and the other; by now that is over.
            if not isinstance(busy.__cause__, asyncpg.DeadlockDetectedError):
                raise
        try:
            return await read()
        except Cut as cut:
            raise cut.error from cut

    async def _inspected(self, sql: str, *values: object) -> list[asyncpg.Record]:
        async with self._use() as connection:
            await connection.execute(f"{self._session.begins()} SET TRANSACTION READ ONLY")
            try:
                rows = await connection.fetch(sql, *values)
            except Exception as error:
                if not is_lost(error):
                    await connection.execute("ROLLBACK")
                raise
            await connection.execute("ROLLBACK")
            return rows

    async def _rows(self, sql: str, *values: object) -> list[asyncpg.Record]:
        async with self._use() as connection:
            if not self.pooled:
                return await connection.fetch(sql, *values)
            await connection.execute(self._session.begins())
            try:
                rows = await connection.fetch(sql, *values)
            except asyncpg.PostgresError as error:
                if not is_lost(error):
                    await connection.execute("ROLLBACK")
                raise
            await self._commit(connection)
            return rows

    async def _commit(self, connection: Connection) -> None:
        if await connection.execute("COMMIT") != "COMMIT":
            raise StoreFailed(path=self.address.shown, problem="the transaction had failed before its end")

    def _unknown(self, cut: Cut) -> OutcomeUnknown:
        late = isinstance(cut.error, StoreBusy)
        problem = "it did not answer before the deadline" if late else "the connection was lost before it answered"
        return OutcomeUnknown(path=self.address.shown, problem=problem)

    @asynccontextmanager
    async def _use(self) -> AsyncIterator[Connection]:
        """Give a connection for a while.

        Raises:
            Cut: it was lost in use, or was in use at the deadline.
            StoreError: none could be had, or the server refused what it was asked.
        """
        shown, deadline = self.address.shown, self.address.deadline
        given = False
        try:
            async with asyncio.timeout(deadline), self._free:
                connection = await self._take()
                given = True
                try:
                    yield connection
                except BaseException as error:
                    # One that is in the middle of an answer is of no use to anybody else.
                    if is_lost(error) or isinstance(error, asyncio.CancelledError):
                        connection.terminate()
                    raise
                finally:
                    self._give_back(connection)
        except DRIVERS as error:
            if given and is_lost(error):
                raise Cut(translate(error, shown)) from error
            if isinstance(error, TimeoutError):
                busy = f"{shown}: all {self.address.connections} connections were in use for {deadline:g} s"
                raise StoreBusy(f"{busy}; nothing was stored, try again", path=shown) from error
            raise translate(error, shown) from error

    async def _take(self) -> Connection:
        if self._closed:
            raise StoreFailed(path=self.address.shown, problem="it was closed")
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await self._session.connect()

    def _give_back(self, connection: Connection) -> None:
        if connection.is_closed() or self._closed:
            connection.terminate()
        else:
            self._idle.append(connection)
