"""One of two processes that project segments is stopped, or killed, at a certain place in a batch (F14, F21)."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.faults.halting import Where
from tests.faults.opening import open_history
from tests.faults.places import Place, PostgresPlace, SqlitePlaces
from tests.faults.processes import Worker, workers
from tests.faults.spread import Count, Fill, check_rows, shared_among, spread_node
from tests.faults.worker import Options
from twofold.node import Node

BOXES = [f"box-{n}" for n in range(12)]


async def fill_each(node: Node) -> int:
    """Fill every box once more; return the position that is reached."""
    receipts = await asyncio.gather(*(node.send(Fill(box)) for box in BOXES))
    return max(receipt.position for receipt in receipts)


async def halted(place: Place, node: Node, worker: Worker) -> None:
    """Return when a process has stopped in a batch."""
    if isinstance(place, PostgresPlace):
        await shared_among(node, 2)
    await node.ask(Count(BOXES[0]), after=await fill_each(node), timeout=60)
    worker.process.send_signal(signal.SIGUSR1)
    async with asyncio.timeout(60):
        # On one file, the other process may be the first to store some batches.
        while len(worker.said()) < 2:
            await fill_each(node)


async def go_on_without(place: Place, worker: Worker, other: Worker, *, kill: bool) -> list[str]:
    """Let one process stop in a batch, end it there or let it go on later; return what it said after all."""
    async with spread_node(place.url, "write", "read") as node:
        await halted(place, node, worker)
        if kill:
            worker.kill()
        last = await fill_each(node)
        await node.ask(Count(BOXES[0]), after=last, timeout=60)
        if not kill:
            # Who finds the segment set back by the late batch would fold what follows once more, and mend the rows.
            other.kill()
            worker.process.send_signal(signal.SIGCONT)
            await asyncio.to_thread(worker.wait_until, lambda said: len(said) > 2)
            worker.kill()
        return worker.said()


def live_through(place: Place, where: Where, *, kill: bool) -> list[str]:
    asyncio.run(_make(place))
    tasks = [("share", Options(place.url, planted=where)), ("share", Options(place.url))]
    with workers(tasks) as pair:
        for worker in pair:
            worker.wait_until(lambda said: "ready" in said)
        said = asyncio.run(go_on_without(place, *pair, kill=kill))
        assert check_rows(place) >= 3 * len(BOXES)
    return said


async def _make(place: Place) -> None:
    await (await open_history(place.url)).close()


@pytest.mark.parametrize("where", ["before", "inside", "after"])
def test_processes_on_one_file_apply_each_event_once_wherever_in_a_batch_one_is_killed(where: Where) -> None:
    places = SqlitePlaces()
    try:
        assert live_through(places.new(), where, kill=True) == ["ready", where]
    finally:
        places.clear()


@pytest.mark.parametrize("where", ["before", "after"])
def test_nodes_of_one_database_apply_each_event_once_wherever_around_a_batch_one_is_killed(
    where: Where, database_place: PostgresPlace
) -> None:
    assert live_through(database_place, where, kill=True) == ["ready", where]


def test_what_a_process_had_folded_before_others_went_on_with_its_segment_is_refused(place: Place) -> None:
    assert live_through(place, "before", kill=False) == ["ready", "before", "refused"]


def test_control_a_batch_that_is_stored_wherever_its_segment_is_by_then_spoils_the_rows(place: Place) -> None:
    with pytest.raises(AssertionError, match="other rows"):
        live_through(place, "unfenced", kill=False)
