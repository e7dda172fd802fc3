"""One connection of a role: made, looked at, and set up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias
from uuid import uuid4

import asyncpg

from twofold.engines.postgres.address import Address, DatabaseRole
from twofold.engines.postgres.failure import refused
from twofold.engines.postgres.schema import PATH, known, version_in
from twofold.errors import NewerSchema, NotInitialized, StoreUnavailable

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OLDEST_SERVER = 15
_STATEMENTS = 200
_LOOK = """
    SELECT pg_backend_pid(), current_setting('server_version_num')::int / 10000, pg_is_in_recovery(),
           to_regnamespace('history') IS NOT NULL, obj_description(to_regnamespace('history'), 'pg_namespace')
"""
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED;"


class Session:
    """How connections of a role are made.

    Args:
        address: the database.
        role: as whom.

    Attributes:
        pooled: True behind a pooler that gives each transaction another session (PgBouncer's transaction mode): then
            nothing may be kept in a session, no prepared statement and no role, and nothing can be listened to.
        settings: what must be set, at the beginning of each session or, where it is pooled, of each transaction.
    """

    def __init__(self, address: Address, role: DatabaseRole) -> None:
        self._address = address
        self._role: DatabaseRole = role
        self.pooled = False

    def begins(self) -> str:
        """Return the statements that begin a transaction."""
        return _BEGIN + self._settings(local=True) if self.pooled else _BEGIN

    async def first(self) -> Connection:
        """Connect, refuse what cannot be worked with, and find out whether sessions are pooled.

        Raises:
            StoreUnavailable: nobody answers, or not to this user; the server is too old, or a replica that has to be
                written.
            NotInitialized, NewerSchema: the schema is not the one that this Twofold knows.
        """
        connection = await self._connect(statements=_STATEMENTS)
        async with self._refusing(connection):
            self.pooled = await self._look(connection)
            if not self.pooled:
                await connection.execute(self._settings(local=False))
                return connection
        connection.terminate()
        return await self.connect()

    async def connect(self) -> Connection:
        """Return a new connection that is ready for use.

        Raises:
            StoreUnavailable, NotInitialized, StoreBusy: it cannot be had.
        """
        if self.pooled:
            return await self._connect(statements=0)
        connection = await self._connect(statements=_STATEMENTS)
        async with self._refusing(connection):
            await connection.execute(self._settings(local=False))
        return connection

    async def _look(self, connection: Connection) -> bool:
        """Check what is there; tell whether another session answers than the one that was connected to."""
        # A transaction has one session, but another client's statement may be prepared in it under the usual name.
        name = f"look_{uuid4().hex}"
        await connection.execute(f"BEGIN; {PATH}")
        looking = await connection.prepare(_LOOK, name=name)
        pid, server, replica, found, about = (await looking.fetch())[0]
        self._check(server, found, about, replica=replica)
        await connection.execute(f"{self._settings(local=True)} DEALLOCATE {name}; ROLLBACK")
        return bool(pid != connection.get_server_pid())

    @asynccontextmanager
    async def _refusing(self, connection: Connection) -> AsyncIterator[None]:
        """Cut a new connection where it cannot be set up before the deadline."""
        try:
            async with asyncio.timeout(self._address.deadline):
                yield
        except BaseException as error:
            connection.terminate()
            if isinstance(error, Exception):
                raise refused(error, self._address.shown, self._takes()) from error
            raise

    async def _connect(self, statements: int) -> Connection:
        url = self._address.url_of(self._role)
        try:
            # Not the driver's timeout: it does not cover all that is done to connect.
            async with asyncio.timeout(self._address.deadline):
                return await asyncpg.connect(
                    url,
                    statement_cache_size=statements,
                    max_cached_statement_lifetime=0,
                    server_settings={"application_name": f"twofold {self._role}"},
                )
        except Exception as error:
            raise refused(error, self._address.shown, self._takes()) from error

    def _settings(self, *, local: bool) -> str:
        set_ = "SET LOCAL" if local else "SET"
        role = f"{set_} ROLE {self._takes()};" if self._takes() else ""
        # A node that was cut off, or stopped, may have left a transaction open with the lock that all appends wait
        # for: the server ends it by itself. PostgreSQL 17 can do so even where half of a statement was sent.
        longest = int(self._address.deadline * 1000)
        return f"""{role}
            {set_} search_path = pg_catalog, pg_temp;
            {set_} jit = off;
            {self._own_settings(local=local)}
            {set_} idle_in_transaction_session_timeout = {max(longest // 2, 1)};
            SELECT set_config('transaction_timeout', '{longest}', {local})
            WHERE current_setting('transaction_timeout', true) IS NOT NULL;
            {set_} default_transaction_isolation = 'read committed';
            SELECT set_config('synchronous_commit', 'on', {local}) WHERE current_setting('synchronous_commit') = 'off';
        """

    def _own_settings(self, *, local: bool) -> str:
        set_ = "SET LOCAL" if local else "SET"
        match self._role:
            case "reader":
                # The rights already keep it from writing; this keeps it from locking rows and from counting sequences.
                only = "transaction_read_only" if local else "default_transaction_read_only"
                milliseconds = int(self._address.deadline * 1000)
                return f"{set_} {only} = on; {set_} statement_timeout = {milliseconds};"
            case "projector":
                # It reads by keys alone, and a plan made while a table was small must not be kept when it is large.
                return f"{set_} enable_seqscan = off;"
            case _:
                return ""

    def _takes(self) -> str:
        return f"twofold_{self._role}" if self._address.sets(self._role) else ""

    def _check(self, server: int, found: bool, about: str | None, *, replica: bool) -> None:
        shown = self._address.shown
        require_server(server, shown)
        version = version_in(about)
        if not found or version is None:
            problem = "there is a schema named history that is not Twofold's" if found else "it has no Twofold schema"
            raise NotInitialized(path=shown, problem=problem)
        if version < known():
            problem = f"its schema has version {version}, this Twofold needs {known()}"
            raise NotInitialized(path=shown, problem=problem)
        if version > known():
            raise NewerSchema(path=shown, found=version, known=known())
        if replica and self._role != "reader":
            problem = "it is a replica in recovery, which cannot be written; give the primary's address"
            raise StoreUnavailable(path=shown, problem=problem)


def require_server(version: int, shown: str) -> None:
    """Refuse a server that is too old, by its major version.

    Raises:
        StoreUnavailable: it is.
    """
    if version < OLDEST_SERVER:
        problem = f"it is PostgreSQL {version}; {OLDEST_SERVER} or newer is needed"
        raise StoreUnavailable(path=shown, problem=problem)
