"""A whole node whose connections to the database go wrong again and again, whatever they carry."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import TypeVar

from tests.faults.answers import Answers
from tests.faults.bank import bank
from tests.faults.killing import check_read_models
from tests.faults.places import Place, Places
from tests.faults.proxy import ACTS, Fault, Proxy
from tests.faults.stopping import PATIENCE, Load
from twofold.errors import StoreBusy, StoreFailed, StoreUnavailable
from twofold.node import Node

T = TypeVar("T")

_DEADLINE = 1.0


async def live_through(place: Place, faults: int, seed: int) -> Answers:
    """Send commands while one fault after another strikes any message of any connection, and is mended."""
    chance = Random(seed)
    # What takes longer than the deadline on a slow machine is done before.
    async with bank.open(place.url):
        pass
    async with (
        Proxy(place.url) as proxy,
        hasty(f"{proxy.url}?deadline={_DEADLINE}") as node,
        Load(node, 10, seed) as load,
    ):
        for _ in range(faults):
            await load.accepted(5)
            fault = proxy.fault = Fault(chance.choice(ACTS), chance.randint(1, 80), seconds=chance.random() * _DEADLINE)
            async with asyncio.timeout(PATIENCE):
                await fault.came.wait()
            if chance.random() < 0.3:
                # Some are mended before anybody gives up, others after.
                await asyncio.sleep(1.5 * _DEADLINE)
            proxy.mend()
        await load.accepted(5)
        await load.answers.send_unknown_again(node)
        await in_time(node.caught_up)
    return load.answers


@asynccontextmanager
async def hasty(url: str) -> AsyncIterator[Node]:
    """Run a node with a short deadline."""
    node = await in_time(lambda: bank.open(url).__aenter__())
    try:
        yield node
    finally:
        await node.close()


async def in_time(wanted: Callable[[], Awaitable[T]]) -> T:
    """Do something until it comes to its end before the deadline: on a slow machine it does not now and then."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(StoreBusy, StoreFailed, StoreUnavailable):
                return await wanted()


def some_weather(seed: int, places: Places, faults: int = 25) -> str:
    """Live through faults in a place of its own, and check what is stored; return what to tell about it."""
    place = places.new()
    answers = asyncio.run(live_through(place, faults, seed))
    answers.check(place.stored())
    check_read_models(place, places.new())
    return f"{len(answers.receipts)} accepted, {len(answers.refused)} refused, {len(answers.unknown)} still unknown"
