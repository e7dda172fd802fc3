"""What the function that appends rests on: the lock before all else, a fresh look after it, and a durable commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import uuid4

import asyncpg
import pytest

from tests.postgres.planting import Change
from tests.postgres.raw import Connection, append, connected, opened, value
from twofold.history.boundary import EVERYTHING
from twofold.history.record import Position
from twofold.history.store import Appended, Conflict
from twofold.testing import PostgresServer
from twofold.testing.contracts.making import command, decided, event, on, positions

pytestmark = pytest.mark.anyio

Planted = Callable[[Sequence[Change]], str]

ME = "NONE"

NO_LOCK: Change = ("    PERFORM history.lock();\n    IF current", "    IF current")
FROM_A_SEQUENCE: Change = (
    "SELECT (SELECT coalesce(max(e.position), 0) FROM history.events AS e),\n"
    "           (SELECT coalesce(max(l.entry), 0) FROM history.ledger AS l),",
    "SELECT nextval('history.counter') - 1, currval('history.counter') - 1,",
)
NOTIFIES: Change = (
    "    now := clock_timestamp();",
    "    now := clock_timestamp(); PERFORM pg_notify('twofold_history', '');",
)
NOT_VOIDED: Change = ("IF voided THEN", "IF false THEN")
ANY_ISOLATION: Change = ("<> 'read committed'", "= 'none'")
NOT_DURABLE: Change = ("current_setting('synchronous_commit') = 'off'", "false")


async def is_waiting(looking: Connection, other: Connection) -> bool:
    return bool(await value(looking, "SELECT cardinality(pg_blocking_pids($1)) > 0", other.get_server_pid()))


async def two_appends_at_once(url: str) -> list[Position]:
    """Let one append wait before its commit while another is made; return what a reader sees meanwhile."""
    async with connected(url) as first, connected(url) as second, connected(url, ME) as looking, opened(url) as history:
        before = first.transaction()
        await before.start()
        assert await append(first, decided(event())) == [Appended(1, 1)]
        behind = asyncio.create_task(append(second, decided(event())))
        while not behind.done() and not await is_waiting(looking, second):
            await asyncio.sleep(0)
        seen = await positions(history)
        await before.commit()
        assert await behind == [Appended(2, 2)]
        assert await positions(history) == [1, 2]
        return seen


async def test_who_appends_second_waits_until_the_first_has_committed(initialised: Callable[[], str]) -> None:
    assert await two_appends_at_once(initialised()) == []


async def test_without_the_lock_a_second_append_takes_the_same_position(planted: Planted) -> None:
    url = planted([NO_LOCK])
    with pytest.raises(asyncpg.UniqueViolationError):
        async with asyncio.timeout(60):
            await two_appends_at_once(url)


async def test_positions_of_a_sequence_are_seen_in_another_order(
    planted: Planted, postgres_server: PostgresServer
) -> None:
    url = planted([NO_LOCK, FROM_A_SEQUENCE])
    postgres_server.execute(
        "CREATE SEQUENCE history.counter; ALTER SEQUENCE history.counter OWNER TO twofold_owner", url
    )
    assert await two_appends_at_once(url) == [2]


async def test_what_was_committed_while_it_waited_is_seen(initialised: Callable[[], str]) -> None:
    url = initialised()
    async with connected(url) as first, connected(url) as second, connected(url, ME) as looking:
        before = first.transaction()
        await before.start()
        sent = command()
        await append(first, decided(event("A", "x:1"), by=sent))
        behind = asyncio.create_task(append(second, decided(event(), on=on("x:1")), decided(event(), on=EVERYTHING)))
        while not await is_waiting(looking, second):
            await asyncio.sleep(0)
        await before.commit()
        assert await behind == [Conflict(1), Conflict(1)]


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_a_snapshot_from_before_the_lock_is_refused(initialised: Callable[[], str], isolation: str) -> None:
    async with connected(initialised()) as connection:
        with pytest.raises(asyncpg.RaiseError, match="READ COMMITTED"):
            async with connection.transaction(isolation=isolation):  # type: ignore[arg-type]
                await append(connection, decided(event()))
        assert await value(connection, "SELECT history.head()") == 0


async def test_a_commit_that_would_not_be_durable_is_refused(initialised: Callable[[], str]) -> None:
    async with connected(initialised()) as connection:
        await connection.execute("SET synchronous_commit = off")
        with pytest.raises(asyncpg.RaiseError, match="synchronous_commit"):
            await append(connection, decided(event()))
        assert await value(connection, "SELECT history.head()") == 0


async def test_these_refusals_are_needed(planted: Planted) -> None:
    async with connected(planted([ANY_ISOLATION, NOT_DURABLE])) as connection:
        await connection.execute("SET synchronous_commit = off")
        async with connection.transaction(isolation="repeatable_read"):
            assert await append(connection, decided(event())) == [Appended(1, 1)]


async def notified(url: str) -> list[str]:
    """Return what a listener hears of an append, and of the word that is sent after it."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with connected(url, ME) as listening, connected(url) as writing:
        await listening.add_listener("twofold_history", lambda *said: heard.put_nowait(str(said[3])))
        await append(writing, decided(event()))
        await writing.execute("SELECT pg_notify('twofold_history', 'end')")
        found = [await heard.get()]
        while found[-1] != "end":
            found.append(await heard.get())
        return found


async def test_an_append_notifies_nobody_in_its_transaction(initialised: Callable[[], str], planted: Planted) -> None:
    assert await notified(initialised()) == ["end"]
    assert await notified(planted([NOTIFIES])) == ["", "end"]


async def resolved_before_it_came(url: str) -> Position:
    """Give up on an append before it reaches the database; return what the head is after it came all the same."""
    attempt = uuid4()
    async with connected(url) as connection:
        assert await connection.fetch("SELECT * FROM history.resolve($1, 0)", attempt) == []
        with suppress(asyncpg.PostgresError):
            await append(connection, decided(event()), attempt=attempt)
        return int(await value(connection, "SELECT history.head()"))


async def test_an_append_that_was_given_up_on_does_nothing(initialised: Callable[[], str], planted: Planted) -> None:
    assert await resolved_before_it_came(initialised()) == 0
    assert await resolved_before_it_came(planted([NOT_VOIDED])) == 1


async def test_giving_up_waits_for_an_append_that_is_under_way(initialised: Callable[[], str]) -> None:
    url, attempt, sent = initialised(), uuid4(), command()
    async with connected(url) as first, connected(url) as second, connected(url, ME) as looking:
        before = first.transaction()
        await before.start()
        await append(first, decided(event(), by=sent), attempt=attempt)
        asking = asyncio.create_task(second.fetch("SELECT * FROM history.resolve($1, 0)", attempt))
        while not await is_waiting(looking, second):
            await asyncio.sleep(0)
        await before.commit()
        assert [tuple(row) for row in await asking] == [("", "", sent.command_id, "accepted", 1, 1)]
