"""Nodes behind a PgBouncer that gives each transaction another session, fewer sessions than nodes (H1 to H5, R1)."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
import pytest

from tests.faults.bank import Deposit, GetStatement, bank
from tests.faults.bouncer import bouncer
from tests.faults.cutting import made, told
from tests.faults.killing import check_after_kill, check_read_models, kill_round, receipts_in
from tests.faults.opening import open_history
from tests.faults.places import PostgresPlace, PostgresPlaces
from tests.faults.processes import workers
from tests.faults.worker import Options
from twofold.engines.postgres.session import Session
from twofold.history.store import Appended

pytestmark = pytest.mark.anyio


@pytest.fixture
def pooled(database_place: PostgresPlace) -> Iterator[PostgresPlace]:
    with bouncer(database_place.url) as url:
        yield PostgresPlace(database_place.url, url)


def test_four_nodes_write_and_project_over_three_sessions_and_a_killed_one_leaves_nothing_in_part(
    pooled: PostgresPlace, databases: PostgresPlaces
) -> None:
    receipts = kill_round(pooled, 3)
    tasks = [
        ("load", Options(pooled.url, count=150, seed=n, roles=("write", "read", "project"), ids=(n + 9) << 64))
        for n in range(4)
    ]
    with workers(tasks, "") as nodes:
        for node in nodes:
            receipts += receipts_in(node.finish())
    assert check_after_kill(pooled, receipts) > 300
    check_read_models(pooled, databases.new())


async def test_a_node_behind_it_reads_what_another_one_projects(pooled: PostgresPlace) -> None:
    async with (
        bank.open(pooled.url, roles=["write"]) as writer,
        bank.open(pooled.url, roles=["project"]),
        bank.open(pooled.url, roles=["read"]) as reader,
    ):
        for number in range(1, 6):
            receipt = await writer.send(Deposit("a"))
            found = await reader.ask(GetStatement("a"), after=receipt, timeout=30)
            assert found is not None
            assert found.balance == number


async def test_control_a_pooler_that_is_not_noticed_breaks_appends(
    pooled: PostgresPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await open_history(pooled.direct)).close()
    monkeypatch.setattr(Session, "pooled", property(lambda self: False, lambda self, value: None), raising=False)
    history = await open_history(f"{pooled.url}?notify=off")
    assert isinstance(await told(history, made()), Appended)
    # So far there is one session, in which the statement is prepared; while it is taken, another one answers.
    staying = await asyncpg.connect(pooled.url, statement_cache_size=0)
    await staying.execute("BEGIN")
    assert not isinstance(await told(history, made()), Appended)
    await staying.close()
    await history.close()
