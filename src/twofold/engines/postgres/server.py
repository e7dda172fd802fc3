"""A database as one role uses it: a few connections, each use under a deadline, healing by themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from twofold.engines.postgres.address import Address, DatabaseRole
from twofold.engines.postgres.failure import is_lost, translate
from twofold.engines.postgres.session import Connection, Session
from twofold.errors import OutcomeUnknown, StoreBusy, StoreError, StoreFailed


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
        await self._session.look()
        self._idle.append(await self._session.connect())

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Return the rows of a statement that only reads: it is tried again, once, where the connection was lost.

        Raises:
            StoreError: it could not be read.
        """
        try:
            return await self._fetch(sql, *values)
        except StoreFailed as error:
            if error.__cause__ is None or not is_lost(error.__cause__):
                raise
        # What else is idle was lost with it.
        self._drop_idle()
        return await self._fetch(sql, *values)

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
                if await connection.execute("COMMIT") != "COMMIT":
                    raise StoreFailed(path=self.address.shown, problem="the transaction had failed before its end")
        except StoreError as error:
            if committing and error.__cause__ is not None and is_lost(error.__cause__):
                problem = "the connection was lost in the COMMIT"
                raise OutcomeUnknown(path=self.address.shown, problem=problem) from error
            raise

    async def connect(self) -> Connection:
        """Return a connection outside the pool, for who listens; the caller closes it."""
        return await self._session.connect()

    async def close(self) -> None:
        """Close what is idle now, and what is in use when its use ends. May be called twice."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            with contextlib.suppress(Exception):
                await connection.close(timeout=1.0)

    async def _fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        if not self.pooled:
            async with self._use() as connection:
                return await connection.fetch(sql, *values)
        async with self.transaction() as connection:
            return await connection.fetch(sql, *values)

    @asynccontextmanager
    async def _use(self) -> AsyncIterator[Connection]:
        shown, deadline = self.address.shown, self.address.deadline
        waiting = True
        try:
            async with asyncio.timeout(deadline), self._free:
                connection = await self._take()
                waiting = False
                try:
                    yield connection
                except BaseException as error:
                    # One that is in the middle of an answer is of no use to anybody else.
                    if is_lost(error) or isinstance(error, asyncio.CancelledError):
                        connection.terminate()
                    raise
                finally:
                    self._give_back(connection)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if waiting and isinstance(error, TimeoutError):
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

    def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.terminate()
