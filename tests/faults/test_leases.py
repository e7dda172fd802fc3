"""Who projects is stopped, or loses its connections, and goes on: nothing stale is written (F14, F15, R2)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

import asyncpg
import pytest

from tests.faults.bank import Deposit, bank
from tests.faults.halting import Where
from tests.faults.killing import check_read_models
from tests.faults.opening import open_history
from tests.faults.places import PostgresPlace, PostgresPlaces
from tests.faults.processes import Worker, workers
from tests.faults.stopping import Load
from tests.faults.worker import Options

_END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'twofold projector' AND datname = current_database()
"""
_END_LEASES = """
    UPDATE views.twofold_projections SET lease_until = clock_timestamp() WHERE holder LIKE '{0}';
    DELETE FROM views.twofold_nodes WHERE name LIKE '{0}';
    SELECT pg_notify('twofold_views', '')
"""


async def end_leases(place: PostgresPlace, holder: str = "%") -> None:
    """Let the leases of a node, or of all, end now, and tell those who stand by."""
    connection = await asyncpg.connect(place.url)
    await connection.execute(_END_LEASES.format(holder))
    await connection.close()


async def stop_and_go_on(place: PostgresPlace, projecting: Sequence[Worker]) -> list[str]:
    """Let who projects stop before it stores a batch until the other has taken over; return what it said."""
    async with bank.open(place.url, roles=["write", "read"]) as node:
        await node.send(Deposit("account-0"))
        await node.caught_up()
        (status,) = await node.models()
        assert status.holder is not None
        pid = int(status.holder.split("/")[1])
        stopped = next(worker for worker in projecting if worker.process.pid == pid)
        os.kill(pid, signal.SIGUSR1)
        await node.send(Deposit("account-0"))
        await asyncio.to_thread(stopped.wait_until, lambda said: len(said) > 1)
        # Of another row than the batch that waits: were that one stored, this would be counted again.
        await node.send(Deposit("account-1"))
        await end_leases(place, status.holder)
        await node.caught_up(timeout=60)
        os.kill(pid, signal.SIGCONT)
        said: list[str] = await asyncio.to_thread(stopped.wait_until, lambda said: len(said) > 2)
    return said


def take_over(places: PostgresPlaces, where: Where) -> list[str]:
    place = places.new()
    asyncio.run(_make(place))
    with workers([("project", Options(place.url, planted=where))] * 2) as projecting:
        for worker in projecting:
            worker.wait_until(lambda said: "ready" in said)
        said = asyncio.run(stop_and_go_on(place, projecting))
    asyncio.run(end_leases(place))
    check_read_models(place, places.new())
    return said


async def _make(place: PostgresPlace) -> None:
    await (await open_history(place.url)).close()


def test_a_projecting_node_that_was_stopped_beyond_its_lease_writes_nothing_more(databases: PostgresPlaces) -> None:
    assert take_over(databases, "before") == ["ready", "before", "refused"]


def test_control_without_a_fence_the_stopped_node_spoils_the_read_model(databases: PostgresPlaces) -> None:
    with pytest.raises(AssertionError, match="live rows"):
        take_over(databases, "unfenced")


def test_nodes_whose_projecting_connections_are_cut_apply_each_event_once(databases: PostgresPlaces) -> None:
    place = databases.new()

    async def cut() -> None:
        async with bank.open(place.url) as one, bank.open(place.url) as other:
            connection = await asyncpg.connect(place.url)
            async with Load(one, 5, 1) as here, Load(other, 5, 2) as there:
                for _ in range(5):
                    await here.accepted(20)
                    await there.accepted(20)
                    await connection.execute(_END)
            await connection.close()
            for node in (one, other):
                await node.caught_up()

    asyncio.run(cut())
    check_read_models(place, databases.new())
