"""The history behind a PgBouncer that gives each transaction another session: what rests on sessions and time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

import pytest

from tests.engines.conftest import postgres_history
from tests.faults.bouncer import bouncer
from tests.postgres.planting import Change
from tests.postgres.raw import connected, opened, value
from twofold.testing import PostgresServer
from twofold.testing.contracts import HistoryEngine
from twofold.testing.contracts.history_batches import HistoryBatches
from twofold.testing.contracts.history_concurrency import HistoryConcurrency
from twofold.testing.contracts.history_durability import HistoryDurability
from twofold.testing.contracts.history_waiting import HistoryWaiting

NEW_ID = "UPDATE history.about SET value = gen_random_uuid()::text WHERE name = 'history_id'"


@pytest.fixture(scope="module")
def pooler(postgres_server: PostgresServer) -> Iterator[str]:
    with bouncer(postgres_server.url) as url:
        yield urlsplit(url).netloc.rpartition("@")[2]


@pytest.fixture
def through(
    planted: Callable[[Sequence[Change]], str], postgres_server: PostgresServer, pooler: str
) -> Callable[[], str]:
    """Makes databases with Twofold's schema, never used before; returns the URL of each through the pooler."""

    def new() -> str:
        url = planted([])
        postgres_server.execute(NEW_ID, url)
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}{at}{pooler}").geturl()

    return new


@pytest.fixture
def engine(through: Callable[[], str]) -> HistoryEngine:
    return postgres_history(through)


class TestHistory(HistoryBatches, HistoryConcurrency, HistoryDurability, HistoryWaiting): ...


@pytest.mark.anyio
async def test_a_pooler_is_noticed_and_no_role_is_left_in_its_sessions(
    initialised: Callable[[], str], through: Callable[[], str]
) -> None:
    async with opened(initialised()) as direct:
        assert not direct._server.pooled
    url = through()
    async with opened(url) as history, connected(url, "NONE") as other:
        assert history._server.pooled
        me = await value(other, "SELECT session_user")
        for _ in range(5):
            assert await history.head() == 0
            assert await value(other, "SELECT current_user") == me
