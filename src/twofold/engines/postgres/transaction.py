"""Decisions that are made inside the transaction that stores them, and their handlers' own statements."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from twofold.engines.postgres.batch import fingerprint, outcomes, parameters, sides
from twofold.engines.postgres.failure import is_lost, said, translate
from twofold.engines.postgres.named import converted, numbered
from twofold.engines.postgres.session import Connection
from twofold.engines.postgres.statements import statement
from twofold.errors import StatementFailed, StoreFailed
from twofold.history.record import Position
from twofold.history.store import Appended, Conflict, Decision, Duplicate, Outcome
from twofold.history.transaction import LONGEST, Transaction
from twofold.read.column import plain
from twofold.read.transaction import BatchTransaction
from twofold.statements import Rows

_LAST: Position = (1 << 63) - 1
_OF_THE_SERVER = ("08", "40", "53", "55", "57", "58", "F0", "XX")


class There:
    """Runs statements of an application's own on a connection, one after another.

    Args:
        connection: inside a transaction.
        shown: the database as it may be named to anybody.
    """

    def __init__(self, connection: Connection, shown: str) -> None:
        self._connection = connection
        self._shown = shown
        self._alone = asyncio.Lock()

    async def run(self, sql: str, values: Mapping[str, Any]) -> tuple[int, Rows]:
        """Run a statement, and return how many rows it changed, and those that it found.

        Raises:
            StatementFailed: it is refused.
            StoreError: the transaction is lost.
        """
        text, names = numbered(sql)
        missing = [name for name in names if name not in values]
        if missing:
            raise StatementFailed(problem=f"no value was given for :{missing[0]}")
        try:
            async with self._alone:
                prepared = await self._connection.prepare(text)
                kinds = [parameter.name for parameter in prepared.get_parameters()]
                bound = [converted(plain(values[name]), kind) for name, kind in zip(names, kinds, strict=True)]
                rows = [dict(row) for row in await prepared.fetch(*bound)]
                return _changed(prepared.get_statusmsg()), rows
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if is_lost(error) or (getattr(error, "sqlstate", None) or "").startswith(_OF_THE_SERVER):
                raise translate(error, self._shown) from error
            problem = said(error) if isinstance(error, asyncpg.PostgresError) else "a value is not of its column's type"
            raise StatementFailed(problem=problem) from error
        except (msgspec.MsgspecError, TypeError, ValueError, ArithmeticError) as error:
            raise StatementFailed(problem=f"a value cannot be used: {error}") from error


class PostgresTransaction(Transaction):
    """Statements on the connection of an append, as the role `twofold_writer`, which has no right to the history."""

    def __init__(self, there: There) -> None:
        super().__init__()
        self._there = there

    async def _run(self, sql: str, values: Mapping[str, Any]) -> tuple[int, Rows]:
        return await self._there.run(sql, values)


class PostgresBatchTransaction(BatchTransaction):
    """Statements in the transaction of a batch, as the role `twofold_projector`."""

    def __init__(self, there: There, connection: Connection, names: Mapping[str, str]) -> None:
        super().__init__(names)
        self._there = there
        self._connection = connection

    async def _run(self, sql: str, values: Mapping[str, Any]) -> tuple[int, Rows]:
        return await self._there.run(sql, values)

    async def _run_own(self, sql: str) -> None:
        await self._connection.execute(sql)


async def make(
    connection: Connection, shown: str, attempt: UUID, decisions: Sequence[Decision], made: list[Decision]
) -> list[Outcome]:
    """Let decisions be made one after another, and append what comes of them; return their outcomes.

    Args:
        connection: inside a transaction that has the history's lock.
        shown: the database as it may be named to anybody.
        attempt: what the append is called.
        decisions: the batch.
        made: gets the decisions as they were made.
    """
    answers: list[Outcome] = []
    until = monotonic() + LONGEST
    for decision in decisions:
        outcome = await _refused(connection, decision)
        if outcome is None and made and monotonic() > until:
            outcome = Conflict((await connection.fetch(statement("head")))[0][0])
        if outcome is None:
            decision = await _made(connection, shown, decision)
            head, _, kinds, places = (await connection.fetch(statement("append"), *parameters(attempt, [decision])))[0]
            (outcome,) = outcomes([decision], head, kinds, places)
            if not isinstance(outcome, Appended):
                raise StoreFailed(path=shown, problem="what was checked under the lock did not hold any more")
        made.append(decision)
        answers.append(outcome)
    return answers


async def _refused(connection: Connection, decision: Decision) -> Outcome | None:
    """Return the outcome of a decision that must not be made: a repeat, or one whose condition does not hold."""
    sent, condition = decision.submission, decision.condition
    found = [] if sent.is_first else await connection.fetch(statement("find"), *sent.scope)
    if found:
        position, print_ = found[0]
        return Duplicate(position, print_ == fingerprint(sent))
    criteria = condition.selection.criteria
    if criteria and await connection.fetch(statement("read"), *sides(criteria), condition.after, _LAST, 1):
        return Conflict((await connection.fetch(statement("head")))[0][0])
    return None


async def _made(connection: Connection, shown: str, decision: Decision) -> Decision:
    assert decision.work is not None
    transaction = PostgresTransaction(There(connection, shown))
    await connection.execute("SAVEPOINT work")
    try:
        events, rejection = await decision.work(transaction)
    finally:
        transaction.end()
    await connection.execute("RELEASE work" if rejection is None else "ROLLBACK TO work; RELEASE work")
    return msgspec.structs.replace(decision, events=events, rejection=rejection, work=None)


def _changed(status: str | None) -> int:
    """Return the count in what PostgreSQL says of a statement: `INSERT 0 3`, `UPDATE 2`, `SELECT 5`."""
    verb, *counts = (status or "").split() or [""]
    return int(counts[-1]) if counts and verb != "SELECT" else 0
