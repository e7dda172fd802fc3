"""Stores on PostgreSQL with a planted bug each, and statements that plant one in a database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import asyncpg
import msgspec

from tests.faults.planted import Late, held, unclaimed
from twofold.clock import new_uuid
from twofold.engines.postgres.address import Address
from twofold.engines.postgres.batch import outcomes, parameters
from twofold.engines.postgres.history import PostgresHistory
from twofold.engines.postgres.statements import statement
from twofold.errors import StoreError
from twofold.history.store import Appended, Decision, Outcome

UNLOCKED = "CREATE OR REPLACE FUNCTION history.lock() RETURNS void LANGUAGE sql AS 'SELECT NULL::void'"
"""Appends do not wait for one another."""

NEVER_VOID = "CREATE RULE never AS ON INSERT TO history.voided DO INSTEAD NOTHING"
"""What was given up on is not remembered, so that it can come late after all."""

_COUNT = """
    INSERT INTO history.about VALUES ('early', $1::bigint)
    ON CONFLICT (name) DO UPDATE SET value = about.value::bigint + $1::bigint RETURNING value::bigint
"""
_EVENT = """
    INSERT INTO history.events SELECT $1, $2, 1, $3, $4, $5, $4, NULL, NULL, '', '', clock_timestamp()
"""


class _RolledBack(Exception):
    """Ends a transaction, so that nothing of it is stored."""


class EarlyPositions(PostgresHistory):
    """Takes positions in a transaction of its own, as a sequence does, so that they commit out of order."""

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        connection = await asyncpg.connect(self._server.address.url)
        try:
            last = await connection.fetchval(_COUNT, sum(len(each.events) for each in decisions))
            await held(decisions)
            return await self._insert(connection, decisions, last)
        finally:
            await connection.close()

    async def _insert(
        self, connection: asyncpg.Connection[asyncpg.Record], decisions: Sequence[Decision], last: int
    ) -> Sequence[Outcome]:
        events = [event for each in decisions for event in each.events]
        first = last - len(events) + 1
        rows = [
            (position, event.type, event.payload.decode(), new_uuid(), msgspec.json.encode(event.tags).decode())
            for position, event in enumerate(events, first)
        ]
        async with connection.transaction():
            await connection.executemany(_EVENT, rows)
        return [Appended(first, last) for _ in decisions]


class EarlyAnswers(PostgresHistory):
    """Answers before the commit, as if that could not be prevented any more."""

    _under_way: asyncio.Task[Sequence[Outcome]] | None = None

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.late = Late()

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        if self._under_way is not None:
            with contextlib.suppress(StoreError):
                await self._under_way
        answers: Sequence[Outcome] = ()
        with contextlib.suppress(_RolledBack):
            async with self._server.transaction() as connection:
                rows = await connection.fetch(statement("append"), *parameters(new_uuid(), decisions))
                head, _, kinds, places = rows[0]
                answers = outcomes(decisions, head, kinds, places)
                raise _RolledBack
        self.late.enter(decisions, answers)
        self._under_way = asyncio.create_task(self._append_later(decisions))
        return answers

    async def _append_later(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        await self.late.wait()
        return await super().append(decisions)


class NoClaims(PostgresHistory):
    """Finds no command that was accepted before."""

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        return await super().append(unclaimed(decisions))
