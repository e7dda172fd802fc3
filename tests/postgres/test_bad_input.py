"""What is wrong with a database is told at a node's door, with what to do; and a replica is good enough to read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from tests.faults.bank import Deposit, GetStatement, bank
from tests.postgres.catalog import rows
from tests.read.test_freshness import Ring
from tests.read.test_rewritten import Chimes, app
from twofold.errors import NotFresh, NotInitialized, StoreBusy, StoreUnavailable
from twofold.read.answer import Answer
from twofold.testing import PostgresServer, postgres
from twofold.testing.postgres import GIVEN

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Roles and replicas are those of a whole server, so this is one of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(GIVEN, raising=False)
        with postgres() as server:
            yield server


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


async def test_a_replica_answers_queries_and_takes_no_commands(server: PostgresServer) -> None:
    url = server.database()
    async with bank.open(url, roles=["write", "project", "read"]) as node:
        first = await node.send(Deposit("a"))
        await node.caught_up()
        with server.standby() as standby:
            replica = standby.url_of(name_of(url))
            async with bank.open(replica, roles=["read"]) as reader:
                assert await reader.ask(GetStatement("a"), after=first, timeout=30) is not None
                second = await node.send(Deposit("a"))
                found = await reader.ask(GetStatement("a"), after=second, timeout=30)
                assert found is not None
                assert found.balance == 2
            for role in ("write", "project"):
                with pytest.raises(StoreUnavailable, match=r"a replica in recovery.*give the primary's address"):
                    await bank.open(replica, roles=[role]).__aenter__()


async def test_a_node_that_projects_promises_no_more_than_the_replica_has_that_it_reads(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.database()
    name = name_of(url)
    async with app.open(url) as node:
        await node.caught_up(after=await node.send(Ring("a")))
    server.execute("ALTER ROLE twofold_reader PASSWORD 'of the reader'")
    with server.standby() as standby:
        own = standby.url_of(name, user="twofold_reader", password="of%20the%20reader")
        monkeypatch.setenv("TWOFOLD_READER_URL", own)
        async with app.open(url) as node:
            assert await node.ask(Chimes(), after=1, timeout=30) == {"a": 1}
            standby.execute("SELECT pg_wal_replay_pause()", standby.url_of(name))
            receipt = await node.send(Ring("a"))
            await stored_on_the_primary(url, receipt.position)
            with pytest.raises(NotFresh) as late:
                await node.ask(Chimes(), after=receipt, timeout=0.2)
            assert late.value.facts["reached"] == 1
            # It is kept, too: as what it is, an answer from before.
            assert [await node.answer(Chimes()) for _ in range(4)] == [Answer({"a": 1}, 1)] * 4
            standby.execute("SELECT pg_wal_replay_resume()", standby.url_of(name))
            assert await node.ask(Chimes(), after=receipt, timeout=30) == {"a": 2}


async def stored_on_the_primary(url: str, position: int) -> None:
    while not await rows(url, f"SELECT 1 FROM views.twofold_projections WHERE checkpoint >= {position}"):
        await asyncio.sleep(0.01)


async def test_an_append_that_the_server_gives_up_on_stores_nothing_and_says_so(server: PostgresServer) -> None:
    url = server.database()
    async with bank.open(url, roles=["write"]) as node:
        await node.send(Deposit("a"))
    server.execute(f"ALTER DATABASE {name_of(url)} SET statement_timeout = '1s'")
    other = await asyncpg.connect(url)
    async with bank.open(url, roles=["write"]) as node:
        async with other.transaction():
            await other.execute("SELECT history.lock()")
            with pytest.raises(StoreBusy, match=r"statement timeout.*nothing was stored"):
                await node.send(Deposit("a"))
        assert (await node.send(Deposit("a"))).position == 2
    await other.close()


async def test_who_was_not_granted_a_role_is_told_which(server: PostgresServer) -> None:
    url = server.database()
    async with bank.open(url):
        pass
    server.execute("CREATE ROLE clerk LOGIN PASSWORD 'hunter2'")
    clerk = server.url_of(name_of(url), user="clerk", password="hunter2")
    with pytest.raises(StoreUnavailable, match="GRANT twofold_writer TO") as refused:
        await bank.open(clerk, roles=["write"]).__aenter__()
    assert "hunter2" not in str(refused.value)


async def test_a_role_that_is_missing_is_told(server: PostgresServer) -> None:
    url = server.database()
    async with bank.open(url):
        pass
    # As after a dump was restored on a server that has other roles.
    for made in await rows(server.url, "SELECT datname FROM pg_database WHERE datname LIKE 'twofold%'"):
        server.execute("DROP OWNED BY twofold_reader", server.url_of(str(made[0])))
    server.execute("DROP ROLE twofold_reader")
    with pytest.raises(NotInitialized, match=r"there is no role twofold_reader.*twofold db init"):
        await bank.open(url, roles=["read"]).__aenter__()
