"""The suite of decisions that are made in their transaction finds what it is there for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from tests.engines.conftest import sqlite_history
from twofold.engines.sqlite import history as sqlite
from twofold.engines.sqlite import transaction
from twofold.engines.sqlite.history import SqliteHistory
from twofold.engines.sqlite.statements import statement
from twofold.engines.sqlite.transaction import Guard, Here, SqliteTransaction
from twofold.errors import StatementFailed
from twofold.history.store import Appended, Decision, Outcome
from twofold.history.transaction import Transaction
from twofold.testing.contracts import HistoryContract
from twofold.testing.contracts.history_work import FORBIDDEN, TABLES, WRONG, to_make
from twofold.testing.contracts.making import REJECTED, append

pytestmark = pytest.mark.anyio

Suite = HistoryContract
Planting = Callable[[pytest.MonkeyPatch], None]


async def _keep_rejected(history: SqliteHistory, connection: apsw.Connection, decision: Decision) -> Decision:
    assert decision.work is not None
    events, rejection = await decision.work(SqliteTransaction(Here(connection, history._guard, history._file.path)))
    return msgspec.structs.replace(decision, events=events, rejection=rejection, work=None)


async def _make_all(
    history: SqliteHistory, connection: apsw.Connection, decisions: Sequence[Decision]
) -> tuple[list[Decision], list[Outcome]]:
    made = [await history._make(connection, decision) for decision in decisions]
    return made, sqlite._append(connection, made)


async def _commit_each(
    history: SqliteHistory, connection: apsw.Connection, decisions: Sequence[Decision]
) -> tuple[list[Decision], list[Outcome]]:
    made: list[Decision] = []
    outcomes: list[Outcome] = []
    for decision in decisions:
        (outcome,) = sqlite._settle(connection, [decision])[0]
        if isinstance(outcome, Appended):
            decision = await history._make(connection, decision)
            outcomes += sqlite._append(connection, [decision])
            connection.execute("COMMIT; BEGIN IMMEDIATE")
        else:
            outcomes.append(outcome)
        made.append(decision)
    return made, outcomes


def _unguarded(guard: Guard, *_: Any) -> int:
    return apsw.SQLITE_OK


async def _unchecked(transaction: Transaction, sql: str, values: Any) -> Any:
    return await transaction._run(sql, values)


async def cannot_use_a_statement_of_the_history(suite: HistoryContract, working: SqliteHistory) -> None:
    """SQLite keeps prepared statements, and asks nobody when one is used again."""

    async def use(transaction: Transaction) -> None:
        with pytest.raises(StatementFailed):
            await transaction.fetch(statement("head"))

    await append(working, to_make(use, rejection=REJECTED))


def _on(where: Any, name: str, bug: Any) -> Planting:
    return lambda patch: patch.setattr(where, name, bug)


PLANTS: dict[str, tuple[Planting, Any, dict[str, str]]] = {
    "rows of a rejection are kept": (
        _on(SqliteHistory, "_make", _keep_rejected), Suite.test_a_rejection_undoes_its_rows_and_is_in_the_ledger, {},
    ),
    "a repeat is made again": (_on(SqliteHistory, "_work", _make_all), Suite.test_a_repeat_is_not_made_again, {}),
    "what does not hold is made": (
        _on(SqliteHistory, "_work", _make_all), Suite.test_what_does_not_hold_any_more_is_not_made, {},
    ),
    "each is committed alone": (
        _on(SqliteHistory, "_work", _commit_each), Suite.test_if_the_work_raises_nothing_of_the_batch_is_stored, {},
    ),
    "nothing guards the history's tables": (
        _on(Guard, "__call__", _unguarded), Suite.test_a_handler_cannot_reach, {"case": "the history's events"},
    ),
    "a statement is found among the history's own": (
        _on(transaction, "_MARK", ""), cannot_use_a_statement_of_the_history, {},
    ),
    "statements are not looked at": (
        _on(Transaction, "_checked", _unchecked), Suite.test_a_handler_cannot_reach, {"case": "a savepoint"},
    ),
    "after a failed statement there are others": (
        _on(Transaction, "_checked", _unchecked), Suite.test_a_statement_is_refused_for, {"case": "wrong syntax"},
    ),
    "a transaction does not end": (
        _on(Transaction, "end", lambda transaction: None), Suite.test_a_transaction_ends_with_its_work, {},
    ),
}  # fmt: skip


async def run(test: Any, folder: Callable[[], Path], given: dict[str, str]) -> None:
    engine = sqlite_history(folder)
    async with engine.opened(engine.place()) as history:
        assert isinstance(history, SqliteHistory)
        await history.make_tables(TABLES)
        await test(HistoryContract(), working=history, **given)


@pytest.mark.parametrize("plant", PLANTS)
async def test_a_planted_bug_is_found(plant: str, folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    planting, test, given = PLANTS[plant]
    assert given.get("case", "no statement") in {*FORBIDDEN, *WRONG}
    await run(test, folder, given)
    planting(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception, apsw.Error, StatementFailed)):
        await run(test, folder, given)
