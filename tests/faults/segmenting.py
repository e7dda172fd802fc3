"""Rounds of faults for processes that share segments, under load, and what must be true of the rows at any time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from random import Random

import asyncpg

from tests.faults.nodes import quiet
from tests.faults.opening import open_history
from tests.faults.places import Place, Places, PostgresPlace
from tests.faults.processes import Worker, workers
from tests.faults.spread import SHORT, Count, Fill, check_rows, spread_node
from tests.faults.worker import Options
from twofold.node import Node

_CUT_ONE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'twofold projector' AND datname = current_database() ORDER BY random() LIMIT 1
"""


@asynccontextmanager
async def filling(node: Node, width: int) -> AsyncIterator[list[int]]:
    """Send commands, so many at once, for as long as the block lasts; their positions are in the list."""
    positions: list[int] = []

    async def send(number: int) -> None:
        chance = Random(number)
        while True:
            positions.append((await node.send(Fill(f"box-{chance.randrange(50)}"))).position)
            await asyncio.sleep(0.002)

    tasks = [asyncio.create_task(send(number)) for number in range(width)]
    try:
        yield positions
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def more(positions: list[int], count: int) -> None:
    """Return when so many more commands were accepted."""
    wanted = len(positions) + count
    async with asyncio.timeout(60):
        while len(positions) < wanted:
            await asyncio.sleep(0.005)


class Sharing:
    """Processes that share the segments, and what befalls them.

    Args:
        place: where all is.
        chance: decides.

    Attributes:
        faults: how often each came; and of the batches that waited while their process was stopped, how many were
            stored, and how many refused.
    """

    def __init__(self, place: Place, chance: Random) -> None:
        self.faults: dict[str, int] = {}
        self._place, self._chance = place, chance
        self._stack = ExitStack()
        self._workers: list[Worker] = []

    def __enter__(self) -> Sharing:
        self.join()
        self.join()
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def join(self) -> None:
        """Start one more."""
        (worker,) = self._stack.enter_context(workers([("share", Options(self._place.url, planted="before"))]))
        worker.wait_until(lambda said: "ready" in said)
        self._workers.append(worker)

    async def befall(self) -> None:
        """Let one thing happen."""
        kinds: list[Callable[[], Awaitable[None]]] = [self._kill, self._leave, self._stop, self._halt]
        if isinstance(self._place, PostgresPlace):
            kinds += [self._cut, self._cut]
        kind = self._chance.choice(kinds)
        self._count(kind.__name__.removeprefix("_"))
        await kind()

    def _count(self, name: str) -> None:
        self.faults[name] = self.faults.get(name, 0) + 1

    async def _kill(self) -> None:
        self._workers.pop(self._chance.randrange(len(self._workers))).kill()
        await asyncio.to_thread(self.join)

    async def _leave(self) -> None:
        worker = self._workers.pop(self._chance.randrange(len(self._workers)))
        # The others take over at once.
        worker.write("leave")
        await asyncio.to_thread(worker.finish)
        await asyncio.to_thread(self.join)

    async def _stop(self) -> None:
        process = self._chance.choice(self._workers).process
        os.kill(process.pid, signal.SIGSTOP)
        # Some are back within their leases, others are not.
        await asyncio.sleep(self._chance.random() * 4 * SHORT)
        os.kill(process.pid, signal.SIGCONT)

    async def _halt(self) -> None:
        """Let one stop just before it stores a batch, go on, and be killed when the batch was stored or refused."""
        worker = self._workers.pop(self._chance.randrange(len(self._workers)))
        worker.process.send_signal(signal.SIGUSR1)
        await asyncio.to_thread(worker.wait_until, lambda said: len(said) > 1)
        await asyncio.sleep(self._chance.random() * 4 * SHORT)
        worker.process.send_signal(signal.SIGCONT)
        await asyncio.to_thread(worker.wait_until, lambda said: len(said) > 2)
        self._count(worker.kill()[-1])
        await asyncio.to_thread(self.join)

    async def _cut(self) -> None:
        connection = await asyncpg.connect(self._place.url)
        await connection.execute(_CUT_ONE)
        await connection.close()


async def live_through(place: Place, faults: int, seed: int) -> dict[str, int]:
    """Send commands while one fault after another befalls who projects; check the rows in between."""
    await (await open_history(place.url)).close()
    with Sharing(place, Random(seed)) as sharing:
        async with spread_node(place.url, "write", "read") as node:
            for _ in range(faults):
                async with filling(node, 5) as positions:
                    await more(positions, 20)
                    await sharing.befall()
                    await more(positions, 20)
                # What was sent last may be stored though nobody waits for it any more.
                await quiet(node)
                head = await node.history.head()
                await node.ask(Count("box-0"), after=head, timeout=60)
                check_rows(place)
    return sharing.faults


def some_faults(seed: int, places: Places) -> str:
    """Live through faults in a place of its own; return what to tell about it."""
    place = places.new()
    faults = asyncio.run(live_through(place, 8, seed))
    told = ", ".join(f"{count} {name}" for name, count in sorted(faults.items()))
    return f"{check_rows(place)} events, {told}"
