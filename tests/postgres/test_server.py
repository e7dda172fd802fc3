"""Connecting, being refused, and going on after connections were lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest

from tests.faults.clock import Clock
from tests.faults.messages import Message
from tests.faults.proxy import Fault, Proxy
from tests.postgres.raw import Connection, connected
from twofold.engines.postgres.address import DatabaseRole, read_address
from twofold.engines.postgres.migrate import initialise
from twofold.engines.postgres.server import Server
from twofold.errors import (
    NewerSchema,
    NotInitialized,
    OutcomeUnknown,
    StoreBusy,
    StoreError,
    StoreFailed,
    StoreUnavailable,
)
from twofold.testing import PostgresServer, postgres

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(url: str, role: DatabaseRole = "writer") -> AsyncIterator[Server]:
    server = Server(read_address(url, {}), role)
    try:
        await server.open()
        yield server
    finally:
        await server.close()


async def fetched(server: Server, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await server.fetch(sql)]


async def refused(url: str, kind: type[StoreError], problem: str, role: DatabaseRole = "writer") -> None:
    with pytest.raises(kind) as caught:
        async with opened(url, role):
            pass
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_what_is_wrong_with_an_address_is_told_at_once(
    postgres_server: PostgresServer, new_database: Callable[[], str], initialised: Callable[[], str]
) -> None:
    await refused("postgresql://a:secret@127.0.0.1:1/data", StoreUnavailable, "is the server running")
    await refused(postgres_server.url_of("nowhere"), StoreUnavailable, "createdb")
    await refused(f"{new_database()}?connections=2", NotInitialized, "twofold db init")
    name = initialised().rpartition("/")[2]
    stranger = postgres_server.url_of(name, user="nobody_there", password="secret")
    await refused(stranger, StoreUnavailable, "refuses the user or the password")
    await refused(f"{postgres_server.url_of(name)}?sslmode=secret", StoreUnavailable, "does not understand the URL")


async def test_a_schema_of_another_time_is_refused(
    planted: Callable[[Any], str], postgres_server: PostgresServer
) -> None:
    url = planted([])
    for version, kind, problem in ((0, NotInitialized, "db init"), (99, NewerSchema, "upgrade Twofold")):
        postgres_server.execute(f"COMMENT ON SCHEMA history IS 'schema version {version}'", url)
        await refused(url, kind, problem)


async def test_a_replica_is_refused_where_it_would_have_to_be_written() -> None:
    with postgres() as primary:
        if not primary.own:
            pytest.skip("the server is not ours to copy")
        url = primary.database()
        await initialise(read_address(url, {}))
        with primary.standby() as standby:
            copy = standby.url_of(url.rpartition("/")[2])
            await refused(copy, StoreUnavailable, "replica in recovery")
            await refused(copy, StoreUnavailable, "replica in recovery", "projector")
            async with opened(copy, "reader") as server:
                assert await fetched(server, "SELECT 1") == [(1,)]


async def test_a_session_is_set_up_for_its_role(initialised: Callable[[], str]) -> None:
    url = initialised()
    async with connected(url, "NONE") as other:
        name = url.rpartition("/")[2]
        await other.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        await other.execute(f'ALTER DATABASE "{name}" SET default_transaction_isolation = serializable')
        try:
            async with opened(url, "projector") as server:
                settings = (
                    "current_user, current_setting('synchronous_commit'), current_setting('transaction_isolation')"
                )
                expected = [("twofold_projector", "on", "read committed")]
                assert await fetched(server, f"SELECT {settings}") == expected
                async with server.transaction() as connection:
                    assert [tuple(row) for row in await connection.fetch(f"SELECT {settings}")] == expected
        finally:
            await other.execute(f'ALTER DATABASE "{name}" RESET ALL')


async def end_all(url: str) -> None:
    """End every other session of a database."""
    async with connected(url, "NONE") as other:
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_reading_goes_on_after_all_connections_were_lost(initialised: Callable[[], str]) -> None:
    url = initialised()
    async with opened(url) as server:
        await asyncio.gather(*[server.fetch("SELECT 1") for _ in range(5)])
        for _ in range(3):
            await end_all(url)
            assert await asyncio.gather(*[fetched(server, "SELECT 2") for _ in range(3)]) == [[(2,)]] * 3


def reads(message: Message) -> bool:
    return message.way == "to_server" and "SELECT 3" in message.statement


async def test_a_reading_is_tried_again_once_on_a_new_connection(initialised: Callable[[], str]) -> None:
    async with Proxy(initialised()) as proxy, opened(proxy.url) as server:
        proxy.fault = Fault("reset", of=reads)
        assert await fetched(server, "SELECT 3") == [(3,)]
        assert proxy.fault.has_struck


_BOTH = "SELECT (SELECT count(*) FROM views.twofold_parked), (SELECT count(*) FROM views.twofold_projections)"
_BLOCKED = """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
"""


async def test_a_reading_that_is_given_up_in_a_deadlock_is_tried_again(initialised: Callable[[], str]) -> None:
    url = initialised()

    async def met(server: Server, other: Connection) -> bool:
        """Hold both tables up against a reading of both; tell whether it was the reading that was given up."""
        await other.execute("BEGIN; SET LOCAL deadlock_timeout = '10s'; LOCK TABLE views.twofold_projections")
        reading = asyncio.create_task(fetched(server, _BOTH))
        while not await other.fetchval(_BLOCKED):
            await asyncio.sleep(0)
        met = False
        with suppress(asyncpg.DeadlockDetectedError):
            await other.execute("LOCK TABLE views.twofold_parked")
            met = True
        await other.execute("ROLLBACK")
        assert await reading == [(0, 0)]
        return met

    async with opened(url, "reader") as server, connected(url, "none") as other:
        # The server looks for a deadlock a second after the reading has begun to wait. Who is late meets none.
        while not await met(server, other):
            pass


async def test_a_call_is_not_tried_again(initialised: Callable[[], str]) -> None:
    async with Proxy(initialised()) as proxy, opened(proxy.url) as server:
        proxy.fault = Fault("reset", of=reads)
        with pytest.raises(OutcomeUnknown):
            await server.call("SELECT 3")


async def asleep(looking: Connection) -> set[int]:
    """Return which sessions take their time; the server does not end one at once that its client has left."""
    asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    return {row[0] for row in await looking.fetch(asked)}


async def put_off(server: Server, count: int) -> list[Any]:
    """Let some ask at once for what takes a minute, and the deadline pass when all connections are in use."""
    clock = Clock()
    async with connected(server.address.url, "NONE") as looking:
        before = await asleep(looking)
        asking = [asyncio.create_task(server.fetch("SELECT pg_sleep(60)")) for _ in range(count)]
        while len(await asleep(looking) - before) < server.address.connections:
            await asyncio.sleep(0.001)
    clock.forward(server.address.deadline)
    return await asyncio.gather(*asking, return_exceptions=True)


async def test_what_does_not_answer_is_cut_at_the_deadline_and_nobody_gets_its_connection(
    initialised: Callable[[], str],
) -> None:
    async with opened(f"{initialised()}?connections=1") as server:
        for _ in range(2):
            (busy,) = await put_off(server, 1)
            assert isinstance(busy, StoreBusy)
            assert "did not answer before the deadline" in str(busy)
            assert await fetched(server, "SELECT 1") == [(1,)]


async def test_who_finds_all_connections_in_use_is_told_so(initialised: Callable[[], str]) -> None:
    async with opened(f"{initialised()}?connections=2") as server:
        ended = await put_off(server, 3)
        assert sum("all 2 connections were in use" in str(each) for each in ended) == 1


async def test_a_transaction_is_whole_or_not_there(initialised: Callable[[], str]) -> None:
    async with opened(initialised(), "projector") as server:

        async def store(then: str = "", *, suppressed: bool = False) -> None:
            async with server.transaction() as connection:
                await connection.execute("INSERT INTO views.t VALUES (1)")
                with suppress(*[asyncpg.DivisionByZeroError] if suppressed else []):
                    await connection.execute(then or "SELECT 1")
                if not then:
                    raise KeyError

        async with server.transaction() as connection:
            await connection.execute("CREATE TABLE views.t (n int)")
        with pytest.raises(KeyError):
            await store()
        with pytest.raises(StoreFailed, match="DivisionByZero"):
            await store("SELECT 1 / 0")
        with pytest.raises(StoreFailed, match="failed before its end"):
            await store("SELECT 1 / 0", suppressed=True)
        assert await fetched(server, "SELECT n FROM views.t") == []
        async with server.transaction() as connection:
            await connection.execute("DROP TABLE views.t")


async def test_a_cancelled_transaction_leaves_no_connection_in_the_middle_of_it(initialised: Callable[[], str]) -> None:
    async with opened(f"{initialised()}?connections=1") as server:
        inside = asyncio.Event()

        async def hang() -> None:
            async with server.transaction() as connection:
                await connection.execute("SELECT 1")
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(hang())
        await inside.wait()
        task.cancel()
        await asyncio.wait([task])
        assert await fetched(server, "SELECT pg_current_xact_id_if_assigned()") == [(None,)]


def commits(message: Message) -> bool:
    return message.tells_commit and message.statement == "COMMIT"


async def test_a_commit_whose_answer_is_lost_is_of_unknown_outcome(initialised: Callable[[], str]) -> None:
    async with Proxy(initialised()) as proxy, opened(proxy.url) as server:
        proxy.fault = Fault("reset", of=commits)
        with pytest.raises(OutcomeUnknown):
            async with server.transaction() as connection:
                await connection.execute("SELECT 1")
        assert proxy.fault.has_struck


async def test_after_it_is_closed_nothing_can_be_done(initialised: Callable[[], str]) -> None:
    async with opened(initialised()) as server:
        await server.close()
        with pytest.raises(StoreFailed, match="closed"):
            await server.fetch("SELECT 1")
