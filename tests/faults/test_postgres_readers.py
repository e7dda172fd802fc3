"""Whatever else goes on in a PostgreSQL server, readers skip nothing and are not stopped by it (F2, F16, H1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from tests.faults.bouncer import bouncer
from tests.faults.cutting import check, hasty, made, told, until_appended
from tests.faults.opening import open_history
from tests.faults.places import PostgresPlace, PostgresPlaces
from tests.faults.planted_postgres import UNLOCKED
from tests.faults.test_processes import follow
from tests.postgres.raw import append
from twofold.history.store import Appended

pytestmark = pytest.mark.anyio

_WAIT_FOR = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
_HORIZON = """
    SELECT count(*) FROM history.events WHERE xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
"""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def test_readers_skip_nothing_where_nobody_is_notified(database_place: PostgresPlace) -> None:
    place = PostgresPlace(f"{database_place.url}?notify=off")
    for said in follow(place, writers=4, each=250, readers=2):
        assert said == {"seen": 1000, "wrong": [], "last": 1000}


def test_readers_skip_nothing_behind_a_pooler_of_transactions(database_place: PostgresPlace) -> None:
    with bouncer(database_place.url) as url:
        for said in follow(PostgresPlace(url), writers=6, each=200, readers=2):
            assert said == {"seen": 1200, "wrong": [], "last": 1200}


async def test_control_without_the_lock_appends_take_the_same_positions(database_place: PostgresPlace) -> None:
    await (await open_history(database_place.url)).close()
    async with connected(database_place.url) as connection:
        await connection.execute(UNLOCKED)
    async with connected(database_place.url) as staying, connected(database_place.url) as looking:
        await staying.execute("BEGIN")
        await append(staying, made())
        following = asyncio.create_task(asyncio.to_thread(follow, database_place, writers=1, each=250, readers=1))
        # Its first event is to have the position of the one that is not committed yet.
        while not following.done() and not await looking.fetchval(_WAIT_FOR, staying.get_server_pid()):
            await asyncio.sleep(0.01)
        await staying.execute("COMMIT")
        with pytest.raises(AssertionError, match="append ended with 1"):
            await following


async def test_transactions_that_stay_open_neither_hide_events_nor_hold_readers_up(
    own_databases: PostgresPlaces,
) -> None:
    place, other = own_databases.new(), own_databases.new()
    await (await open_history(place.url)).close()
    async with AsyncExitStack() as stack:
        writing, preparing, elsewhere, looking = [
            await stack.enter_async_context(connected(url)) for url in (place.url, place.url, other.url, place.url)
        ]
        for number, connection in enumerate((writing, preparing, elsewhere)):
            await connection.execute(f"BEGIN; CREATE TABLE public.mine{number} AS SELECT 1")
        await preparing.execute("PREPARE TRANSACTION 'not yet'")
        await looking.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()")
        for said in await asyncio.to_thread(follow, place, writers=4, each=100, readers=2):
            assert said == {"seen": 400, "wrong": [], "last": 400}
        async with connected(place.url) as observing:
            # The control: who reads only what is older than every open transaction sees nothing yet.
            assert await observing.fetchval(_HORIZON) == 0
        await preparing.execute("ROLLBACK PREPARED 'not yet'")


async def test_an_append_in_a_transaction_that_stays_open_holds_others_up_no_longer_than_their_deadline(
    database_place: PostgresPlace,
) -> None:
    direct = await open_history(database_place.url)
    history = await hasty(database_place.url, deadline=1.0)
    decision = made()
    async with connected(database_place.url) as staying:
        await staying.execute("BEGIN; SELECT history.lock()")
        answer = await told(history, decision)
        assert not isinstance(answer, Appended)
        assert await direct.head() == 0
        await staying.execute("COMMIT")
    await check(direct, decision, answer)
    await until_appended(history)
    await history.close()
    await direct.close()
