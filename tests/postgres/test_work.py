"""Rows of handlers' own, and snapshots of long boundaries, on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import uuid4

import asyncpg
import pytest
from examples.stock.app import GetLevels, Level, Receive, Reserve, Ship
from examples.stock.app import app as stock

from tests.faults.clock import Clock
from tests.write.tallies import Count, fill, tallies
from twofold import App, Command, Receipt, Rejected, Transaction
from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.history import PostgresHistory
from twofold.errors import HandlerFailed, StatementFailed
from twofold.history.record import Recorded
from twofold.write import load
from twofold.write.cache import Entry
from twofold.write.decide import _PATIENCE

pytestmark = pytest.mark.anyio

Databases = Callable[[], str]


async def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def test_a_stock_is_kept_in_rows_and_told_in_events(initialised: Databases) -> None:
    url = initialised()
    command_id = uuid4()
    async with stock.open(url) as one, stock.open(url, roles=["write"]) as other:
        await one.send(Receive("tea", 10))
        sent = [node.send(Reserve(f"o-{n}", {"tea": 2})) for n in range(8) for node in (one, other)[n % 2 :][:1]]
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert sum(isinstance(answer, Receipt) for answer in answers) == 5
        assert sum(isinstance(answer, Rejected) and answer.code == "too_little" for answer in answers) == 3
        shipped = next(f"o-{n}" for n, answer in enumerate(answers) if isinstance(answer, Receipt))
        receipts = await asyncio.gather(*(one.send(Ship(shipped), command_id=command_id) for _ in range(3)))
        assert len({receipt.position for receipt in receipts}) == 1
        assert await one.ask(GetLevels(), after=receipts[0]) == [Level("tea", held=8, reserved=8)]
    assert await rows(url, "SELECT * FROM application.stock") == [("tea", 0)]
    assert await rows(url, "SELECT count(*), sum(number) FROM application.reservations") == [(4, 8)]
    assert await rows(url, "SELECT outcome, count(*) FROM history.ledger GROUP BY 1 ORDER BY 1") == [
        ("accepted", 7), ("rejected", 3),
    ]  # fmt: skip


async def test_a_handler_that_fails_leaves_its_ledger_entry_and_no_row(initialised: Databases) -> None:
    url = initialised()
    app = App("boxes")
    app.own_tables("create table if not exists box (name text primary key)")

    class Put(Command):
        name: str
        then: str = ""

    @app.command
    async def put(command: Put, tx: Transaction) -> None:
        await tx.execute("insert into box values (:name)", name=command.name)
        if command.then == "fail":
            raise ZeroDivisionError
        if command.then == "wait":
            await tx.fetch("select pg_sleep(60)::text as slept")
        if command.then:
            await tx.execute(command.then)

    async with app.open(url, roles=["write"]) as node:
        wrong = ["fail", "select * from history.events", "insert into box values ('a')", "commit", "set role postgres"]
        sent = [Put("a"), *[Put(f"b{n}", then) for n, then in enumerate(wrong)], Put("c")]
        answers = await asyncio.gather(*map(node.send, sent), return_exceptions=True)
        assert [type(answer) for answer in answers] == [Receipt, *[HandlerFailed] * 5, Receipt]
        await node.send(Put("d"))
    assert await rows(url, "SELECT name FROM application.box ORDER BY name") == [("a",), ("c",), ("d",)]
    assert await rows(url, "SELECT outcome, count(*) FROM history.ledger GROUP BY 1 ORDER BY 1") == [
        ("accepted", 3), ("failed", 5),
    ]  # fmt: skip


async def test_a_statement_that_takes_too_long_fails_alone(initialised: Databases) -> None:
    url = initialised()
    app = App("slow")

    class Sleep(Command):
        seconds: float

    @app.command
    async def sleep(command: Sleep, tx: Transaction) -> None:
        await tx.fetch("select pg_sleep(:seconds)::text as slept", seconds=command.seconds)

    asleep = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    before, clock = await rows(url, asleep), Clock()
    async with app.open(f"{url}?deadline=60", roles=["write"]) as node:
        sending = [asyncio.create_task(node.send(Sleep(seconds))) for seconds in (0.0, 60.0, 0.0)]
        while set(await rows(url, asleep)) <= set(before):
            await asyncio.sleep(0.001)
        clock.forward(_PATIENCE)
        answers = await asyncio.gather(*sending, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Receipt, HandlerFailed, Receipt]


async def test_statements_that_make_tables_cannot_end_their_transaction(initialised: Databases) -> None:
    url = initialised()
    for text in ("create table one (n integer); commit", "drop table history.events", "create table history.mine ()"):
        wrong = App("wrong")
        wrong.own_tables(text)
        with pytest.raises(StatementFailed):
            async with wrong.open(url, roles=["write"]):
                pass


async def test_a_long_boundary_is_decided_cold_from_its_snapshot(
    initialised: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = initialised()
    history = PostgresHistory(read_address(url, {}))
    await history.open()
    await fill(history, "a", 2_200)
    await history.close()
    folded: list[int] = []
    real = load.Loader._take

    def take(loader: load.Loader, entry: Entry, events: Sequence[Recorded]) -> None:
        real(loader, entry, events)
        folded.extend(recorded.position for recorded in events[-1:])

    monkeypatch.setattr(load.Loader, "_take", take)
    for seen in (2_200, 2_201):
        async with tallies.open(url, roles=["write"]) as node:
            await node.send(Count("a"))
            last = [tallies.codec.decode(recorded) async for recorded in node.events(after=seen)]
        assert [event.seen for event in last] == [seen]  # type: ignore[attr-defined]
    assert await rows(url, "SELECT key, position FROM history.snapshots") == [
        ('["tests.write.tallies.Tally","tally:a"]', 2_200)
    ]
    assert folded[-2:] == [200, 2_201]
