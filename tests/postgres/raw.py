"""The history's functions as they are called on a plain connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg

from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.batch import outcomes, parameters
from twofold.engines.postgres.history import PostgresHistory
from twofold.engines.postgres.statements import statement
from twofold.history.store import Decision, Outcome

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def connected(url: str, role: str = "twofold_writer") -> AsyncIterator[Connection]:
    """Give a connection that has a role."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"SET ROLE {role}")
        yield connection
    finally:
        connection.terminate()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PostgresHistory]:
    """Give a history that is open."""
    history = PostgresHistory(read_address(url, {}))
    try:
        await history.open()
        yield history
    finally:
        await history.close()


async def append(connection: Connection, *decisions: Decision, attempt: UUID | None = None) -> Sequence[Outcome]:
    """Call `history.append`, in the transaction that is open, if one is."""
    rows = await connection.fetch(statement("append"), *parameters(attempt or uuid4(), decisions))
    head, _, kinds, places = rows[0]
    return outcomes(decisions, head, kinds, places)


async def value(connection: Connection, sql: str, *values: Any) -> Any:
    """Return the first value that a statement answers."""
    return await connection.fetchval(sql, *values)
