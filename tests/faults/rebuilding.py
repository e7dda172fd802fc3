"""Rounds in which a rebuild is killed while a node writes, projects and answers, and what must be true all the time."""

from __future__ import annotations

import asyncio
import time
from random import Random

from tests.faults.bank import Deposit, GetStatement, bank
from tests.faults.killing import check_read_models
from tests.faults.places import Place, Places
from tests.faults.processes import Worker, workers
from tests.faults.worker import Options
from twofold.node import Node

ACCOUNTS = [f"account-{n}" for n in range(40)]


class Watch:
    """Asks for one account again and again; what it is told never goes back, and is never less than is promised."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.asked = 0

    async def run(self) -> None:
        """Ask until cancelled."""
        position, entries = 0, 0
        while True:
            answer = await self._node.answer(GetStatement(ACCOUNTS[0]))
            assert answer.value is not None
            assert answer.position is not None
            assert answer.position >= position, f"position {answer.position} after {position}"
            assert answer.value.entries >= entries, f"{answer.value.entries} entries after {entries}"
            position, entries = answer.position, answer.value.entries
            self.asked += 1
            await asyncio.sleep(0)


async def _write(node: Node, chance: Random) -> None:
    while True:
        await node.send(Deposit(chance.choice(ACCOUNTS)))
        await asyncio.sleep(chance.random() * 0.002)


async def rebuild_round(place: Place, seed: int, kills: int) -> int:
    """Kill rebuilding processes at random moments, let the last one end; return how many queries were answered."""
    chance = Random(seed)
    async with bank.open(place.url) as node:
        await asyncio.gather(*(node.send(Deposit(account)) for account in ACCOUNTS * 10))
        await node.caught_up()
        watch = Watch(node)
        tasks = [asyncio.create_task(each) for each in (watch.run(), _write(node, chance))]
        try:
            for kill in range(kills + 1):
                with workers([("rebuild", Options(place.url, count=200))]) as (worker,):
                    await asyncio.to_thread(_killed, worker, chance, is_last=kill == kills)
                for task in tasks:
                    assert not task.done(), task.exception()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await node.caught_up()
        compared = await node.verify("Statement")
        assert compared.differences == [], compared.differences
        return watch.asked


def _killed(worker: Worker, chance: Random, *, is_last: bool) -> None:
    """Kill a worker after some exchanges, at a random moment of the next rebuild."""
    wanted = 4 if is_last else chance.randrange(2)
    said = worker.wait_until(lambda lines: lines.count("exchanged") >= wanted and "begun" in lines)
    assert said.count("exchanged") >= wanted, said
    # A rebuild of so few rows takes some hundredths of a second.
    time.sleep(chance.random() * 0.05)
    worker.kill()


def one_rebuild(seed: int, places: Places) -> str:
    """Live through one round in a place of its own; return what to tell about it."""
    place = places.new()
    asked = asyncio.run(rebuild_round(place, seed, kills=3))
    check_read_models(place, places.new())
    return f"{asked} queries answered"
