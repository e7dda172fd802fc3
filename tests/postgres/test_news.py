"""News of appends: told to other nodes by NOTIFY, found by a poll where that is lost or not wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.postgres.raw import connected, opened, value
from twofold.engines.postgres import history as module
from twofold.engines.postgres import news
from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.history import PostgresHistory
from twofold.engines.postgres.news import Teller
from twofold.engines.postgres.server import Server
from twofold.testing.contracts.making import append_one, decided, event

pytestmark = pytest.mark.anyio


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL", 3_600.0)
    monkeypatch.setattr(module, "_POLL_LISTENING", 3_600.0)


async def listening(history: PostgresHistory) -> None:
    """Return when it listens, and has looked for what came before that; it has one connection to look with."""
    while not history._listener.listens or history._look.is_set():
        await asyncio.sleep(0)
    await history.head()


async def woken(url: str, deadline: float = 30.0) -> None:
    """Wait at one opening for what is appended at another."""
    async with opened(url) as here, opened(f"{url}?connections=1") as there:
        waiting = asyncio.create_task(there.changed(0))
        await asyncio.sleep(0)
        await listening(there)
        await append_one(here, decided(event()))
        async with asyncio.timeout(deadline):
            await waiting


@pytest.mark.usefixtures("no_polls")
async def test_an_append_is_told_to_who_waits_at_another_node(initialised: Callable[[], str]) -> None:
    await woken(initialised())


@pytest.mark.usefixtures("no_polls")
async def test_without_a_word_nobody_hears_of_it(
    initialised: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Teller, "tell", lambda self: None)
    with pytest.raises(TimeoutError):
        await woken(initialised(), 0.5)


@pytest.mark.usefixtures("no_polls")
async def test_who_listens_begins_anew_when_the_connection_is_lost(initialised: Callable[[], str]) -> None:
    url = initialised()
    async with (
        opened(f"{url}?notify=off") as here,
        opened(f"{url}?connections=1") as there,
        connected(url, "NONE") as other,
    ):
        waiting = asyncio.create_task(there.changed(0))
        await listening(there)
        listener = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        # The latest: one of an earlier test may be about to end.
        pid = await value(other, f"{listener} ORDER BY backend_start DESC")
        await append_one(here, decided(event()))
        await value(other, "SELECT pg_terminate_backend($1)", pid)
        async with asyncio.timeout(30):
            await waiting
        assert await value(other, f"{listener} AND pid <> $1", pid) is not None


async def test_with_notify_off_nobody_listens_and_polls_find_what_is_new(initialised: Callable[[], str]) -> None:
    url = initialised()
    async with (
        opened(f"{url}?notify=off") as here,
        opened(f"{url}?notify=off") as there,
        connected(url, "NONE") as other,
    ):
        for head in range(3):
            waiting = asyncio.create_task(there.changed(head))
            await append_one(here, decided(event()))
            async with asyncio.timeout(30):
                await waiting
        listeners = """
            SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()
            AND backend_start > (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
        """
        # Since the waiting began: one of an earlier test may be about to end.
        assert await value(other, listeners) == 0


async def test_many_news_in_a_row_are_told_a_few_times(
    initialised: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "_LAST_WORDS", 60.0)
    url = initialised()
    heard: asyncio.Queue[str] = asyncio.Queue()
    server = Server(read_address(url, {}), "writer")
    await server.open()
    teller = Teller(server, "a_channel")
    async with connected(url, "NONE") as listening_:
        await listening_.add_listener("a_channel", lambda *said: heard.put_nowait(str(said[3])))
        for _ in range(100):
            teller.tell()
        await teller.close()
        await server.close()
        await listening_.execute("SELECT pg_notify('a_channel', 'end')")
        told = [await heard.get()]
        while told[-1] != "end":
            told.append(await heard.get())
    assert told in (["", "end"], ["", "", "end"])
