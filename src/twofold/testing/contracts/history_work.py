"""Decisions that are made in the transaction which stores them, with rows of the application's own beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import msgspec
import pytest

from twofold.errors import StatementFailed
from twofold.history.boundary import Selection
from twofold.history.record import Position, Proposed, Submission
from twofold.history.store import Appended, Conflict, Decision, Duplicate, Rejection, TransactionalHistory
from twofold.history.transaction import Transaction
from twofold.statements import Rows
from twofold.testing.contracts.engine import HistoryEngine
from twofold.testing.contracts.making import NOTHING, REJECTED, append, command, decided, event, on, read
from twofold.testing.contracts.suite import HistorySuite

Made: TypeAlias = tuple[tuple[Proposed, ...], Rejection | None]
Doing: TypeAlias = Callable[[Transaction], Awaitable[Any]]

TABLES = "create table if not exists box (name varchar(20) primary key, number integer not null check (number < 100))"
FORBIDDEN = {
    "the history's events": "delete from events",
    "the history's ledger": "select * from ledger",
    "a table of the history by its schema": "update history.events set payload = '{}'",
    "the end of the transaction": "commit",
    "its undoing": "rollback",
    "a savepoint": "savepoint mine",
    "the making of a table": "create table other (name integer)",
    "a setting": "set role postgres",
    "a pragma": "pragma user_version = 9",
    "no statement": "/* nothing */ -- at all",
}
WRONG = {
    "wrong syntax": ("select from where", {}),
    "no such table": ("select * from nowhere", {}),
    "a value that is missing": ("select * from box where name = :name", {}),
    "a value of no database": ("select * from box where name = :name", {"name": object()}),
    "a row that is there": ("insert into box values ('a', 1)", {}),
    "a row that the table refuses": ("insert into box values ('b', 100)", {}),
}


def put(name: str, number: int) -> Doing:
    """Return what writes a row."""
    return lambda tx: tx.execute("insert into box values (:name, :number)", name=name, number=number)


def to_make(
    *doing: Doing,
    events: Sequence[Proposed] = (),
    rejection: Rejection | None = None,
    on: Selection = NOTHING,
    after: Position = 0,
    by: Submission | None = None,
) -> Decision:
    """Return a decision that does something in its transaction, and comes to these events or this rejection."""

    async def work(transaction: Transaction) -> Made:
        for each in doing:
            await each(transaction)
        return tuple(events), rejection

    return msgspec.structs.replace(decided(on=on, after=after, by=by), work=work)


async def rows_of(history: TransactionalHistory, sql: str = "select * from box order by name") -> Rows:
    """Return rows as a transaction reads them, that changes nothing."""
    found: list[Rows] = []

    async def look(transaction: Transaction) -> None:
        found.append(await transaction.fetch(sql))

    await append(history, to_make(look, rejection=REJECTED))
    return found[0]


class HistoryWork(HistorySuite):
    """What `TransactionalHistory` promises."""

    @pytest.fixture
    async def working(self, engine: HistoryEngine) -> AsyncIterator[TransactionalHistory]:
        """Open a history with one table of the application's own."""
        engine.needs("transact")
        async with engine.opened(engine.place()) as history:
            assert isinstance(history, TransactionalHistory)
            await history.make_tables(TABLES)
            yield history

    async def test_rows_and_events_are_stored_together(self, working: TransactionalHistory) -> None:
        made = to_make(put("a", 1), put("b", 2), events=[event("A", "x:1"), event("B")])
        assert await append(working, made) == [Appended(1, 2)]
        assert await rows_of(working) == [{"name": "a", "number": 1}, {"name": "b", "number": 2}]
        assert [each.type for each in await read(working)] == ["A", "B"]

    async def test_tables_are_made_once_and_kept(self, engine: HistoryEngine) -> None:
        engine.needs("transact")
        engine.needs("reopen")
        place = engine.place()
        for _ in range(2):
            async with engine.opened(place) as history:
                assert isinstance(history, TransactionalHistory)
                await history.make_tables(f"{TABLES}; create table if not exists other (number integer)")
                if not await history.head():
                    await append(history, to_make(put("a", 1), events=[event()]))
                assert await rows_of(history) == [{"name": "a", "number": 1}]

    async def test_a_rejection_undoes_its_rows_and_is_in_the_ledger(self, working: TransactionalHistory) -> None:
        batch = [
            to_make(put("a", 1), events=[event("A")]),
            to_make(put("b", 2), put("c", 3), rejection=REJECTED),
            to_make(put("d", 4), events=[event("D")]),
        ]
        assert await append(working, *batch) == [Appended(1, 1), Appended(1, 1), Appended(2, 2)]
        assert [row["name"] for row in await rows_of(working)] == ["a", "d"]
        assert [each.type for each in await read(working)] == ["A", "D"]

    async def test_a_repeat_is_not_made_again(self, working: TransactionalHistory) -> None:
        sent = command()
        made = to_make(put("a", 1), events=[event()], by=sent)
        assert await append(working, made, made) == [Appended(1, 1), Duplicate(1, True)]
        assert await append(working, made) == [Duplicate(1, True)]
        other = to_make(put("b", 1), by=command(sent.command_id, payload=b"[]"))
        assert await append(working, other) == [Duplicate(1, False)]
        assert [row["name"] for row in await rows_of(working)] == ["a"]

    async def test_what_does_not_hold_any_more_is_not_made(self, working: TransactionalHistory) -> None:
        await append(working, decided(event("A", "x:1")))
        batch = [
            to_make(put("a", 1), events=[event("B", "x:1")], on=on("x:1")),
            to_make(put("b", 1), events=[event("C", "x:1")], on=on("x:1"), after=1),
            to_make(put("c", 1), events=[event("D", "x:1")], on=on("x:1"), after=1),
            to_make(put("d", 1), events=[event("E", "x:2")], on=on("x:2"), after=1),
        ]
        outcomes = await append(working, *batch)
        assert [type(outcome) for outcome in outcomes] == [Conflict, Appended, Conflict, Appended]
        assert [row["name"] for row in await rows_of(working)] == ["b", "d"]
        assert [each.type for each in await read(working)] == ["A", "C", "E"]

    async def test_each_sees_what_those_before_it_wrote(self, working: TransactionalHistory) -> None:
        async def raise_it(transaction: Transaction) -> None:
            assert await transaction.execute("update box set number = number + 1") == 1

        await append(working, to_make(put("a", 1)), *[to_make(raise_it, events=[event()]) for _ in range(5)])
        assert await rows_of(working) == [{"name": "a", "number": 6}]

    async def test_if_the_work_raises_nothing_of_the_batch_is_stored(self, working: TransactionalHistory) -> None:
        async def fail(transaction: Transaction) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await append(working, to_make(put("a", 1), events=[event()]), to_make(put("b", 1), fail))
        assert await rows_of(working) == []
        assert await working.head() == 0
        assert await append(working, to_make(put("a", 1), events=[event()])) == [Appended(1, 1)]

    @pytest.mark.parametrize("case", FORBIDDEN)
    async def test_a_handler_cannot_reach(self, case: str, working: TransactionalHistory) -> None:
        await append(working, to_make(put("a", 1), events=[event("A")]))

        async def reach(transaction: Transaction) -> None:
            with pytest.raises(StatementFailed):
                await transaction.execute(FORBIDDEN[case])
            with pytest.raises(StatementFailed, match="earlier"):
                await transaction.execute("update box set number = 7")

        assert await append(working, to_make(put("b", 1), reach, rejection=REJECTED)) == [Appended(1, 1)]
        assert await rows_of(working) == [{"name": "a", "number": 1}]
        assert [each.payload for each in await read(working)] == [b"{}"]

    @pytest.mark.parametrize("case", WRONG)
    async def test_a_statement_is_refused_for(self, case: str, working: TransactionalHistory) -> None:
        sql, values = WRONG[case]
        await append(working, to_make(put("a", 1)))

        async def fail(transaction: Transaction) -> None:
            with pytest.raises(StatementFailed):
                await transaction.execute(sql, **values)
            with pytest.raises(StatementFailed):
                transaction.check()

        batch = [to_make(put("c", 1), fail, rejection=REJECTED), to_make(put("d", 1), events=[event()])]
        assert await append(working, *batch) == [Appended(0, 0), Appended(1, 1)]
        assert [row["name"] for row in await rows_of(working)] == ["a", "d"]

    async def test_a_transaction_ends_with_its_work(self, working: TransactionalHistory) -> None:
        kept: list[Transaction] = []

        async def keep(transaction: Transaction) -> None:
            kept.append(transaction)

        await append(working, to_make(keep, put("a", 1)))
        with pytest.raises(StatementFailed, match="ended"):
            await kept[0].execute("update box set number = 2")
        assert await rows_of(working) == [{"name": "a", "number": 1}]

    async def test_statements_tell_how_many_rows_they_changed(self, working: TransactionalHistory) -> None:
        counts: list[int] = []

        async def count(transaction: Transaction) -> None:
            counts.append(await transaction.execute("insert into box values ('a', 1), ('b', 2)"))
            counts.append(await transaction.execute("update box set number = 0 where number = 5"))
            counts.append(await transaction.execute("update box set number = number + :more", more=1))
            counts.append(await transaction.execute("delete from box where name = 'a'"))

        await append(working, to_make(count))
        assert counts == [2, 0, 2, 1]

    async def test_values_are_bound_and_not_part_of_the_text(self, working: TransactionalHistory) -> None:
        nasty = "'; delete from box; --"
        await append(working, to_make(put("a", 1), put(nasty[:20], 2)))
        assert len(await rows_of(working)) == 2
        assert await rows_of(working, "select ':name' as text, name from box where name <> 'a'") == [
            {"text": ":name", "name": nasty[:20]}
        ]

    async def test_statements_that_make_tables_are_run_whole_or_not_at_all(self, working: TransactionalHistory) -> None:
        with pytest.raises(StatementFailed):
            await working.make_tables("create table more (number integer); create table nonsense")
        with pytest.raises(StatementFailed):
            await append(working, to_make(lambda tx: tx.fetch("select * from more")))
        with pytest.raises(StatementFailed):
            await working.make_tables("drop table events; drop table history.events")
        assert await rows_of(working) == []
