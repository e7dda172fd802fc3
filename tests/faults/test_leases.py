"""Who projects is stopped, or loses its connections, and goes on: nothing stale is written (F14, F15, R2)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

import asyncpg
import pytest

from tests.faults.bank import bank
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


async def stop_and_go_on(place: PostgresPlace, projecting: Sequence[Worker]) -> list[str]:
    """Stop who projects in the middle of a batch until the other has taken over; return what it said afterwards."""
    async with bank.open(place.url, roles=["write", "read"]) as node:
        async with Load(node, 3) as load:
            await load.accepted(30)
            (status,) = await node.models()
            assert status.holder is not None
            pid = int(status.holder.split("/")[1])
            stopped = next(worker for worker in projecting if worker.process.pid == pid)
            before = len(stopped.said())
            await asyncio.to_thread(stopped.wait_until, lambda said: "about to store" in said[before:])
            os.kill(pid, signal.SIGSTOP)
            said = len(stopped.said())
            await load.accepted(200)
            await node.caught_up(timeout=60)
        await node.caught_up()
        os.kill(pid, signal.SIGCONT)
        after: list[str] = await asyncio.to_thread(stopped.wait_until, lambda lines: len(lines) > said)
    return after[said:]


def take_over(places: PostgresPlaces, kind: str) -> list[str]:
    place = places.new()
    asyncio.run(_make(place))
    with workers([("project", Options(place.url, planted=kind))] * 2) as projecting:
        for worker in projecting:
            worker.wait_until(lambda said: "ready" in said)
        said = asyncio.run(stop_and_go_on(place, projecting))
    check_read_models(place, places.new())
    return said


async def _make(place: PostgresPlace) -> None:
    await (await open_history(place.url)).close()


def test_a_projecting_node_that_was_stopped_beyond_its_lease_writes_nothing_more(databases: PostgresPlaces) -> None:
    assert take_over(databases, "Hesitant")[0] == "refused"


def test_control_without_a_fence_the_stopped_node_spoils_the_read_model(databases: PostgresPlaces) -> None:
    with pytest.raises(AssertionError, match="live rows"):
        take_over(databases, "Unfenced")


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
