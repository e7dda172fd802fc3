"""F14 and F15: who has lost its lease writes nothing more, however it lost it (R2)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.faults.processes import ROOT
from tests.postgres.views_rig import Unfenced, batch, opened, rows, taken_over
from twofold import BatchTransaction
from twofold.engines.postgres.views import PostgresViews
from twofold.errors import StoreError
from twofold.read.store import Advance, Parked
from twofold.testing.contracts.rows import HISTORY, NOTES, Note, everything, prepared, put

pytestmark = pytest.mark.anyio

_WAITING = "SELECT count(*) > 0 FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
_BLOCKED = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND cardinality(pg_blocking_pids(pid)) > 0
"""


async def stop_a_worker(url: str, planted: str) -> None:
    """SIGSTOP a worker past its lease, let another take over, SIGCONT: what it had folded must not be stored."""
    command = [sys.executable, "-m", "tests.postgres.views_rig", url, planted]
    path = f"{ROOT}{os.pathsep}{Path(ROOT) / 'src'}"
    worker = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    try:
        assert worker.stdout is not None
        assert await asyncio.to_thread(worker.stdout.readline) == "folded\n"
        worker.send_signal(signal.SIGSTOP)
        async with opened(url) as other:
            epoch = await taken_over(other, "other")
            worker.send_signal(signal.SIGCONT)
            said, _ = await asyncio.to_thread(worker.communicate, "go on\n")
            assert said == "False\n", "a batch was stored after the lease was lost"
            assert await other.apply(NOTES, batch("b", 1, epoch))
            assert [row[0] for row in (await other.load(NOTES, [("a",), ("b",), ("stale",)])).values()] == ["a", "b"]
    finally:
        worker.kill()
        worker.wait()


async def test_a_worker_that_was_stopped_past_its_lease_stores_nothing(initialised: Callable[[], str]) -> None:
    await stop_a_worker(initialised(), "right")


async def test_control_a_worker_whose_epoch_is_not_looked_at_stores_what_is_stale(
    initialised: Callable[[], str],
) -> None:
    with pytest.raises(AssertionError, match="after the lease was lost"):
        await stop_a_worker(initialised(), "planted")


async def cut(url: str) -> None:
    """End the connections of projectors, and no others."""
    ended = """
        SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE application_name = 'twofold projector' AND datname = current_database()
    """
    assert await rows(url, ended)


async def lose_the_connection(url: str, kind: type[PostgresViews]) -> None:
    async with opened(url, kind) as holder:
        await prepared(holder, NOTES)
        lease = await holder.claim(NOTES, "holder", 0)
        assert await holder.apply(NOTES, batch("a", 0, lease.epoch))
        await cut(url)
        async with opened(url) as other:
            epoch = await taken_over(other, "other")
            stored = False
            for _ in range(2):
                try:
                    stored = await holder.apply(NOTES, batch("stale", 1, lease.epoch))
                    break
                except StoreError:
                    # On the connection that was cut; the next try is on another.
                    continue
            assert not stored, "a batch was stored after the lease was lost"
            assert await everything(other, NOTES) == [Note("a")]
            assert await other.apply(NOTES, batch("b", 1, epoch))


async def test_who_loses_the_connection_and_the_lease_is_fenced_at_its_next_batch(
    initialised: Callable[[], str],
) -> None:
    await lose_the_connection(initialised(), PostgresViews)


async def test_control_without_the_epoch_a_batch_is_stored_on_another_connection(
    initialised: Callable[[], str],
) -> None:
    with pytest.raises(AssertionError, match="after the lease was lost"):
        await lose_the_connection(initialised(), Unfenced)


async def test_who_loses_only_the_connection_goes_on_under_its_lease(initialised: Callable[[], str]) -> None:
    url = initialised()
    async with opened(url) as holder, opened(url) as other:
        await prepared(holder, NOTES)
        lease = await holder.claim(NOTES, "holder", 3600)
        await cut(url)
        for store in (holder, other):
            # Reading is tried again on a fresh connection, and drops the others that were cut.
            await store.parked_keys(NOTES)
        assert not (await other.claim(NOTES, "other", 3600)).mine
        assert await holder.apply(NOTES, batch("a", 0, lease.epoch))


async def test_who_comes_second_to_a_lease_is_told_of_the_first(initialised: Callable[[], str]) -> None:
    url = initialised()
    async with opened(url) as store:
        await prepared(store, NOTES)
        first = await asyncpg.connect(url)
        async with first.transaction():
            await first.execute(
                "UPDATE views.twofold_projections SET holder = 'first', epoch = epoch + 1, "
                "lease_until = clock_timestamp() + interval '1 hour'"
            )
            claiming = asyncio.create_task(store.claim(NOTES, "second", 3600))
            while not await first.fetchval(_WAITING):
                await asyncio.sleep(0)
        lease = await claiming
        await first.close()
        assert (lease.mine, lease.holder, lease.epoch) == (False, "first", 1)
        assert lease.seconds > 3000


@asynccontextmanager
async def exchangeable(url: str) -> AsyncIterator[tuple[PostgresViews, PostgresViews]]:
    """Give two stores of a table that may be exchanged with its spare."""
    async with opened(url) as store, opened(url) as other:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a"), parked=[Parked('["z"]', 1, "it failed")])
        await store.begin_spare(NOTES, HISTORY)
        spare = await store.standing(NOTES.spare)
        assert spare is not None
        assert await store.apply(NOTES.spare, Advance(0, 1, [NOTES.row(Note("a"))], live=True, epoch=spare.epoch))
        yield store, other


async def blocked(connection: asyncpg.Connection[asyncpg.Record], count: int) -> None:
    while await connection.fetchval(_BLOCKED) < count:
        await asyncio.sleep(0)


async def test_a_batch_that_comes_in_the_midst_of_an_exchange_is_refused_and_does_not_end_it(
    initialised: Callable[[], str],
) -> None:
    url = initialised()
    async with exchangeable(url) as (store, other):
        held = await asyncpg.connect(url)
        async with held.transaction():
            # The exchange is held up in the midst of what it notes.
            await held.execute("SELECT FROM views.twofold_parked FOR UPDATE")
            exchanging = asyncio.create_task(store.exchange(NOTES))
            await blocked(held, 1)
            applying = asyncio.create_task(other.apply(NOTES, Advance(1, 2, [NOTES.row(Note("late"))])))
            await blocked(held, 2)
        await held.close()
        assert [await exchanging, await applying] == [True, False]
        assert await everything(store, NOTES) == [Note("a")]


async def test_a_batch_in_whose_midst_an_exchange_comes_is_stored_and_the_spare_is_behind_then(
    initialised: Callable[[], str],
) -> None:
    url = initialised()
    begun, gate = asyncio.Event(), asyncio.Event()

    async def work(transaction: BatchTransaction) -> Sequence[Parked]:
        begun.set()
        await gate.wait()
        await transaction.execute(f"DELETE FROM {{{NOTES.live_name}}}")
        return []

    async with exchangeable(url) as (store, other):
        held = await asyncpg.connect(url)
        applying = asyncio.create_task(other.apply(NOTES, Advance(1, 2, work=work)))
        await begun.wait()
        exchanging = asyncio.create_task(store.exchange(NOTES))
        await blocked(held, 1)
        gate.set()
        assert [await applying, await exchanging] == [True, False]
        await held.close()
        assert await everything(store, NOTES) == []


async def test_a_batch_renews_the_lease(initialised: Callable[[], str]) -> None:
    url = initialised()
    async with opened(url) as store:
        await prepared(store, NOTES)
        lease = await store.claim(NOTES, "holder", 3600)
        await rows(url, "UPDATE views.twofold_projections SET lease_until = clock_timestamp() RETURNING 1")
        assert await store.apply(NOTES, batch("a", 0, lease.epoch))
        found = await store.claim(NOTES, "other", 3600)
        assert (found.mine, found.holder) == (False, "holder")
        assert found.seconds > 3000
