"""H7: connections that are lost in an append. What became of it is found out, or said to be unknown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.faults.clock import Clock
from tests.faults.messages import Message
from tests.faults.proxy import Fault, Proxy
from tests.postgres.planting import Change
from tests.postgres.raw import connected, opened, value
from tests.postgres.test_appending import NOT_VOIDED
from twofold.engines.postgres.history import PostgresHistory
from twofold.errors import OutcomeUnknown, StoreFailed
from twofold.history.record import Position
from twofold.history.store import Appended, Conflict, Decision, Duplicate
from twofold.testing.contracts.making import REJECTED, append_one, command, decided, event, on, positions

pytestmark = pytest.mark.anyio

Planted = Callable[[Sequence[Change]], str]

DEADLINE = 20.0


def asks(message: Message) -> bool:
    """The message that makes the server run an append."""
    return message.way == "to_server" and message.kind == "B" and "history.append" in message.statement


def answers(message: Message) -> bool:
    """What tells the client that an append is committed."""
    return message.tells_commit and "history.append" in message.statement


@asynccontextmanager
async def through_a_proxy(url: str) -> AsyncIterator[tuple[PostgresHistory, Proxy]]:
    async with Proxy(url) as proxy, opened(f"{proxy.url}?notify=off&deadline={DEADLINE}") as history:
        # The statement is prepared from now on, so that one message asks for an append.
        assert await append_one(history, decided(event())) == Appended(1, 1)
        yield history, proxy


async def test_an_answer_that_is_lost_is_found_out(initialised: Callable[[], str]) -> None:
    async with through_a_proxy(initialised()) as (history, proxy):
        proxy.fault = Fault("reset", of=answers)
        assert await append_one(history, decided(event(), event())) == Appended(2, 3)
        assert proxy.fault.has_struck
        assert await positions(history) == [1, 2, 3]
        assert await append_one(history, decided(event())) == Appended(4, 4)


async def test_each_decision_of_a_lost_answer_is_answered_as_it_would_have_been(initialised: Callable[[], str]) -> None:
    async with through_a_proxy(initialised()) as (history, proxy):
        known, other, sent = command(), command(), command()
        for each in (known, other):
            await append_one(history, decided(event(), by=each))
        batch: list[Decision] = [
            decided(event("A", "x:1"), by=known),
            decided(event("A", "x:1"), event("A", "x:1"), by=sent),
            decided(event("A", "x:2"), on=on("x:1")),
            decided(rejection=REJECTED),
            decided(event("A", "x:3"), by=command(other.command_id, payload=b"[]")),
            decided(by=command()),
            decided(event("A", "x:4"), by=sent),
        ]
        proxy.fault = Fault("reset", of=answers)
        assert await history.append(batch) == [
            Duplicate(2, True), Appended(4, 5), Conflict(5), Appended(5, 5), Duplicate(3, False), Appended(5, 5),
            Duplicate(5, True),
        ]  # fmt: skip
        assert proxy.fault.has_struck
        assert await history.head() == 5


async def test_nothing_is_stored_of_an_append_that_did_not_arrive(initialised: Callable[[], str]) -> None:
    async with through_a_proxy(initialised()) as (history, proxy):
        proxy.fault = Fault("reset", of=asks)
        with pytest.raises(StoreFailed, match="nothing was stored"):
            await append_one(history, decided(event()))
        assert proxy.fault.has_struck
        assert await append_one(history, decided(event())) == Appended(2, 2)


async def test_where_nobody_answers_the_outcome_is_unknown_after_the_deadline(initialised: Callable[[], str]) -> None:
    async with through_a_proxy(initialised()) as (history, proxy):
        sent, clock = command(), Clock()
        fault = proxy.fault = Fault("black_hole", of=answers)
        appending = asyncio.create_task(append_one(history, decided(event(), by=sent)))
        await fault.came.wait()
        # Of the append, and then of asking what became of it.
        while not appending.done():
            clock.forward(DEADLINE / 100)
            await asyncio.sleep(0.001)
        with pytest.raises(OutcomeUnknown):
            await appending
        proxy.mend()
        assert await append_one(history, decided(event(), by=sent)) == Duplicate(2, True)


async def late_bytes(url: str) -> tuple[Position, Position]:
    """Hold an append back until it has been given up on; return the head then, and after it came."""
    async with connected(url, "NONE") as looking:
        async with through_a_proxy(url) as (history, proxy):
            clock = Clock()
            fault = proxy.fault = Fault("held", of=asks)
            appending = asyncio.create_task(append_one(history, decided(event())))
            await fault.came.wait()
            clock.forward(DEADLINE)
            with pytest.raises(StoreFailed, match="before the deadline; nothing was stored"):
                await appending
            before = await history.head()
            await proxy.left()
            proxy.mend()
            others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            await history.close()
            while await value(looking, others) > 1:
                await asyncio.sleep(0.01)
        return before, int(await value(looking, "SELECT history.head()"))


async def test_bytes_that_come_after_it_was_given_up_on_do_nothing(
    initialised: Callable[[], str], planted: Planted
) -> None:
    assert await late_bytes(initialised()) == (1, 1)
    assert await late_bytes(planted([NOT_VOIDED])) == (1, 2)


async def test_a_server_that_ends_a_connection_in_an_append_is_asked_what_became_of_it(
    initialised: Callable[[], str],
) -> None:
    url = initialised()
    async with opened(f"{url}?notify=off") as history, connected(url, "NONE") as other:
        for stored in range(5):
            held = other.transaction()
            await held.start()
            await other.execute("SELECT history.lock()")
            task = asyncio.create_task(append_one(history, decided(event())))
            blocked = "SELECT pid FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
            while (pid := await value(other, blocked, other.get_server_pid())) is None:
                await asyncio.sleep(0)
            await other.execute(f"SELECT pg_terminate_backend({pid})")
            await held.rollback()
            with pytest.raises(StoreFailed, match="nothing was stored"):
                await task
            assert await history.head() == stored
            assert await append_one(history, decided(event())) == Appended(stored + 1, stored + 1)
