"""Segments on several nodes: whoever asks reads what was written, whoever is killed, stopped, or joins (F14, F15)."""

from __future__ import annotations

import asyncio
import os
import signal
from random import Random

from tests.faults.opening import open_history
from tests.faults.places import PostgresPlace, PostgresPlaces
from tests.faults.processes import Worker, workers
from tests.faults.segmenting import filling, more
from tests.faults.spread import SEGMENTS, SHORT, Count, Fill, check_rows, shared_among, spread_node
from tests.faults.worker import Options
from twofold.node import Node, Role

BOTH: tuple[Role, ...] = ("read", "project")


def test_whoever_asks_whichever_node_reads_all_that_it_wrote(database_place: PostgresPlace) -> None:
    url = database_place.url

    async def one(box: str, writer: Node, nodes: list[Node], first: int = 1, last: int = 15) -> None:
        chance = Random(box)
        for number in range(first, last + 1):
            receipt = await writer.send(Fill(box))
            found = await chance.choice(nodes).ask(Count(box), after=receipt, timeout=30)
            assert found == (number, number)

    async def main() -> None:
        first, second, third = (spread_node(url, *roles) for roles in (BOTH, BOTH, BOTH[1:]))
        for node in (first, second, third):
            # None loses a lease, and with it what is known of how fast it is, but where it leaves.
            node._parts.lease = 10 * SHORT
        async with spread_node(url, "write", "read") as front, first, second:
            assert set(await shared_among(front, 2)) == {first.name, second.name}
            asking = [asyncio.create_task(one(f"box-{n}", front, [front, first, second])) for n in range(12)]
            async with third:
                # Segments change hands while they are asked about, and again when the third one leaves.
                await shared_among(front, 3)
            await asyncio.gather(*asking)
            await shared_among(front, 2)
            # How fast it is a projection knows from its second batch on.
            await asyncio.gather(*(one(f"box-{n}", front, [front], 16, 17) for n in range(12)))
            boxes, _ = await front.models(details=True)
            assert len(boxes.segments) == 4
            for each in boxes.segments:
                assert each.checkpoint == 12 * 17
                assert each.rate is not None
                assert each.rate > 0
            assert boxes.rate is not None
            assert boxes.rate == sum(each.rate or 0 for each in boxes.segments)

    asyncio.run(main())
    assert check_rows(database_place) == 12 * 17


async def stop_until_others_have_all(node: Node, projecting: list[Worker], stopped: Worker) -> None:
    pid = stopped.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(60):
            while any(f"/{pid}/" in (holder or f"/{pid}/") for holder in await shared_among(node, len(projecting) - 1)):
                await asyncio.sleep(0.02)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_nodes_that_join_are_killed_or_stopped_under_load_apply_each_event_once(databases: PostgresPlaces) -> None:
    place = databases.new()
    options = Options(place.url)

    async def main(projecting: list[Worker]) -> None:
        async with spread_node(place.url, "write", "read") as node, filling(node, 5) as positions:
            await shared_among(node, 2)
            await more(positions, 50)
            with workers([("share", options)]) as joining:
                assert len(await shared_among(node, 3)) == SEGMENTS
                await more(positions, 50)
                await stop_until_others_have_all(node, [*projecting, *joining], projecting[0])
                await shared_among(node, 3)
                await more(positions, 50)
                joining[0].kill()
                await shared_among(node, 2)
                await more(positions, 50)
            last = max(positions)
            await node.ask(Count("box-0"), after=last, timeout=30)
        async with spread_node(place.url, "write", "read") as node:
            head = await node.history.head()
            await node.ask(Count("box-0"), after=head, timeout=30)

    asyncio.run(_make(place))
    with workers([("share", options)] * 2) as projecting:
        for worker in projecting:
            worker.wait_until(lambda said: "ready" in said)
        asyncio.run(main(projecting))
        assert check_rows(place) > 200


async def _make(place: PostgresPlace) -> None:
    await (await open_history(place.url)).close()
