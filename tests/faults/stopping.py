"""Nodes under load while their database server is stopped and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import get_args

from tests.faults.answers import Answers
from tests.faults.bank import Deposit, Move, Withdraw
from tests.faults.killing import check_read_models
from tests.faults.opening import node_at
from tests.faults.places import Place, Places, PostgresPlaces
from twofold import Command
from twofold.node import Node, Role
from twofold.testing import PostgresServer, postgres
from twofold.testing.postgres import StopMode

PATIENCE = 60.0
ROLES: tuple[Role, ...] = ("write", "read", "project")


class Load:
    """Senders that go on whatever they are told.

    Args:
        node: takes the commands.
        width: how many senders.
        seed: of what they send.
    """

    def __init__(self, node: Node, width: int, seed: int = 0) -> None:
        self.answers = Answers()
        self._node = node
        self._chance = Random(seed)
        self._width = width

    async def __aenter__(self) -> Load:
        self._senders = [asyncio.create_task(self._send()) for _ in range(self._width)]
        return self

    async def __aexit__(self, *details: object) -> None:
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)

    async def accepted(self, more: int) -> None:
        """Return when so many more commands were accepted."""
        wanted = len(self.answers.receipts) + more
        async with asyncio.timeout(PATIENCE):
            while len(self.answers.receipts) < wanted:
                done = [sender for sender in self._senders if sender.done()]
                assert not done, [d.exception() for d in done]
                await asyncio.sleep(0.002)

    async def _send(self) -> None:
        while True:
            name, other = (f"account-{self._chance.randrange(20)}" for _ in range(2))
            command: Command = self._chance.choice((Deposit(name, 3), Withdraw(name), Move(name, other)))
            if not await self.answers.send(self._node, command):
                await asyncio.sleep(0.02 * self._chance.random())


async def live_through(
    server: PostgresServer, place: Place, stops: Sequence[StopMode], seed: int = 0, with_bug: str = ""
) -> Answers:
    """Stop the server in each of these ways, and start it again; the node goes on after each of them."""
    async with node_at(f"{place.url}?deadline=3", ROLES, with_bug) as node, Load(node, 20, seed) as load:
        for stop in stops:
            await load.accepted(100)
            await asyncio.to_thread(server.restart, stop)
            await load.accepted(1)
        await load.answers.send_unknown_again(node)
        await node.caught_up()
    return load.answers


def check_after_stops(answers: Answers, places: Places, place: Place) -> None:
    """Check that everybody was told the truth, and that the read models rest on all of it."""
    answers.check(place.stored())
    check_read_models(place, places.new())


def some_stops(seed: int) -> str:
    """Stop a server of its own some times; for the long script."""
    modes: Sequence[StopMode] = [mode for mode in get_args(StopMode) if mode != "smart"]
    with postgres() as server:
        places = PostgresPlaces(server)
        place = places.new()
        answers = asyncio.run(live_through(server, place, Random(seed).choices(modes, k=5), seed))
        check_after_stops(answers, places, place)
    return f"{len(answers.receipts)} accepted, {len(answers.refused)} refused, {len(answers.unknown)} unknown"
