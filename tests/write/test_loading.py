"""Write models are loaded once, whole, and stand where all others stand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import pytest

from tests.faults.bank import Account, Announce, Deposit, Glance, Inspect, Link, Move, Survey, Trail
from tests.faults.nodes import cache_of, check_cache, check_history, entries_of, node_over, quiet, several
from tests.faults.rough_history import GatedHistory, RoughHistory
from tests.faults.virtual import run_virtually
from twofold import App, Command, Event, Tag, WriteModel
from twofold.engines.memory import MemoryHistory
from twofold.errors import HandlerFailed, StoreFailed
from twofold.history.boundary import Selection
from twofold.history.record import Recorded
from twofold.history.store import History
from twofold.node import Node
from twofold.write.handler import Boundary

pytestmark = pytest.mark.anyio


class Counting(RoughHistory):
    """Notes from where it was read."""

    def __init__(self, real: History) -> None:
        super().__init__(real)
        self.read_after: list[int] = []

    def read(
        self, selection: Selection, *, after: int = 0, until: int | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        self.read_after.append(after)
        return super().read(selection, after=after, until=until, limit=limit)


async def test_a_command_that_names_one_boundary_twice_folds_its_waiting_events_once() -> None:
    history = GatedHistory(MemoryHistory())
    async with node_over(history) as node:
        with history.shut():
            tasks = await several(node, Announce("a"), Link("a", "a"), Link("a", "a"))
        await asyncio.gather(*tasks)
        await check_cache(node, history)
    assert await check_history(history) == 3


async def test_a_model_that_another_command_loaded_meanwhile_is_not_folded_again() -> None:
    history = GatedHistory(MemoryHistory())
    async with node_over(history) as node:
        await node.send(Deposit("a"))
        cache_of(node).clear()
        await node.send(Inspect("a"))
        with history.shut():
            # The first waits for its trail, which an event that is not durable yet belongs to; others load the account.
            tasks = await several(node, Inspect("a"), Survey("a"), Deposit("a"), Deposit("a"))
        await asyncio.gather(*tasks)
        await check_cache(node, history)
    assert await check_history(history) == 6


def test_commands_on_two_models_come_through_while_the_cache_holds_but_one() -> None:
    async def main() -> int:
        history = RoughHistory(MemoryHistory(), turns=2)
        async with node_over(history) as node:
            cache_of(node).kept.count = 1
            names = [chr(ord("a") + n) for n in range(8)]
            await asyncio.gather(*(node.send(Deposit(name, 9)) for name in names))
            senders = asyncio.gather(*(node.send(Move(one, other)) for one in names for other in names if one != other))
            for _ in range(100_000):
                if senders.done():
                    break
                await asyncio.sleep(0)
            assert senders.done(), "the senders take the models from one another for ever"
            await quiet(node)
            await node.send(Glance("another"))
            assert len(entries_of(node)) == 1
            await check_cache(node, history)
        return await check_history(history)

    assert run_virtually(main()) == 8 + 2 * 56  # a glance leaves no event


async def test_a_cache_of_a_few_models_forgets_the_least_used_and_stays_true() -> None:
    history = MemoryHistory()
    async with node_over(history) as node:
        cache_of(node).kept.count = 3
        for turn in range(30):
            await asyncio.gather(*(node.send(Deposit(f"account-{(turn * 7 + n) % 10}")) for n in range(4)))
            await quiet(node)
            assert await check_cache(node, history) <= 3
    assert await check_history(history) == 120


async def test_only_the_new_events_of_a_kept_model_are_read_again() -> None:
    history = Counting(MemoryHistory())
    async with node_over(history) as node:
        for _ in range(5):
            await node.send(Deposit("a"))
        assert history.read_after == [], "an account nobody has written to was read"
        for _ in range(3):
            await node.send(Inspect("a"))
    assert history.read_after == [0, 5, 6]


async def test_a_model_of_many_events_that_is_dropped_is_not_folded_from_the_first_one_again() -> None:
    history = Counting(MemoryHistory())
    async with node_over(history) as node, node_over(RoughHistory(history.real)) as other:
        await asyncio.gather(*(node.send(Deposit("a")) for _ in range(300)))
        for _ in range(4):
            await other.send(Deposit("a"))
            await node.send(Deposit("a"))
            await quiet(node)
            await check_cache(node, history.real)
        # A snapshot was taken of event 200; each conflict read what has come since, and that event itself.
        assert min(history.read_after) == 199
    assert await check_history(history) == 308


async def test_a_history_that_cannot_be_read_fails_the_command_and_leaves_no_half_loaded_model() -> None:
    class Failing(RoughHistory):
        failing = False

        async def read(self, selection: Selection, *, after=0, until=None, limit=None):  # type: ignore[no-untyped-def]
            async for batch in super().read(selection, after=after, until=until, limit=limit):
                for recorded in batch:
                    if self.failing and recorded.position == 3:
                        raise StoreFailed(path="rough", problem="it cannot be read")
                    yield [recorded]

    history = Failing(MemoryHistory())
    async with node_over(history) as node:
        for _ in range(4):
            await node.send(Deposit("a"))
        cache_of(node).clear()
        history.failing = True
        with pytest.raises(StoreFailed):
            await node.send(Glance("a"))
        with pytest.raises(StoreFailed):
            await node.send(Survey("a"))
        assert entries_of(node) == []
        history.failing = False
        await asyncio.gather(node.send(Survey("a")), node.send(Link("a", "a")))
        await check_cache(node, history)
    assert await check_history(history) == 6


ThingId = Annotated[str, Tag("thing")]


class Happen(Command):
    thing: ThingId


class Happened(Event):
    thing: ThingId
    seen: int


class Brittle(WriteModel, tag="thing"):
    seen: int = 0

    def evolve(self, event: Happened) -> None:
        self.seen += 1
        if self.seen in _breaking_at:
            raise ZeroDivisionError("evolve broke")


_breaking_at: set[int] = set()
brittle = App("brittle")


@brittle.command
def happen(command: Happen, thing: Brittle) -> Happened:
    return Happened(command.thing, thing.seen)


async def seen_in(node: Node) -> list[int]:
    return [brittle.codec.decode(recorded).seen async for recorded in node.events()]  # type: ignore[attr-defined]


async def test_an_evolve_that_raises_fails_the_command_and_nothing_of_it_is_kept() -> None:
    async with brittle.open("memory:") as node:
        await node.send(Happen("a"))
        await node.send(Happen("a"))
        _breaking_at.add(3)
        try:
            for _ in range(3):
                with pytest.raises(HandlerFailed, match="evolve broke"):
                    await node.send(Happen("a"))
            cache_of(node).clear()
            _breaking_at.add(2)
            for _ in range(2):
                with pytest.raises(HandlerFailed, match="evolve broke"):
                    await node.send(Happen("a"))
            assert (await node.send(Happen("b"))).position == 3
        finally:
            _breaking_at.clear()
        await node.send(Happen("a"))
        assert await seen_in(node) == [0, 1, 0, 2]


async def test_a_cache_entry_is_found_by_model_and_tag() -> None:
    history = MemoryHistory()
    async with node_over(history) as node:
        await node.send(Survey("a"))
        await node.send(Glance("b"))
        kept = {entry.boundary for entry in entries_of(node)}
    assert kept == {
        Boundary(Account, ("account:a",)), Boundary(Trail, ("account:a",)), Boundary(Account, ("account:b",)),
    }  # fmt: skip
