"""Nodes that share the segments of read models among them, taken apart: projectors, and a `Sharing` for each node."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from tests.read.rig import append, codec_of, rows_in, table_of
from twofold import Event, Metadata, ReadModel, Tag
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.read.freshness import Freshness
from twofold.read.projector import LEASE, Projector
from twofold.read.sharing import Sharing
from twofold.read.store import SharedViewStore, ViewStore

Rows = list[tuple[Any, ...]]


class Bumped(Event):
    counter: Annotated[str, Tag("counter")]


class Counter(ReadModel, key="counter", segments=4):
    counter: str
    bumps: int = 0
    positions: list[int] = []

    def evolve(self, event: Bumped, meta: Metadata) -> None:
        self.bumps += 1
        self.positions.append(meta.position)


class Total(ReadModel, key="counter"):
    """In one piece."""

    counter: str
    bumps: int = 0

    def evolve(self, event: Bumped) -> None:
        self.bumps += 1


MODELS: tuple[type[ReadModel], ...] = (Counter, Total)


class Member:
    """A node: what it projects, and its part in the sharing.

    Attributes:
        freshness: what it knows of how far the read models are.
    """

    def __init__(
        self,
        name: str,
        history: MemoryHistory,
        store: SharedViewStore,
        lease: float = LEASE,
        models: Sequence[type[ReadModel]] = MODELS,
    ) -> None:
        self.name = name
        self.store = store
        self.freshness = Freshness(store)
        self.tables = [table_of(model) for model in models]
        self.sharing = Sharing(store, name, [table.versioned_name for table in self.tables], lease)
        self.projectors = [
            Projector(
                table, history, store, codec_of(table.model), self.freshness,
                holder=name, lease=lease, batch=1, segment=segment, sharing=self.sharing,
            )
            for table in self.tables
            for segment in range(table.segments)
        ]  # fmt: skip
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin as a node does."""
        for projector in self.projectors:
            await projector.prepare()
        await self.sharing.look()
        running = [self.sharing.run(), *(projector.run() for projector in self.projectors)]
        self._tasks = [asyncio.create_task(each) for each in running]

    async def kill(self) -> None:
        """End it without a word."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def leave(self) -> None:
        """End it as `Node.close` does."""
        await self.kill()
        await self.sharing.leave()
        for projector in self.projectors:
            await projector.release()

    async def held(self) -> int:
        """Return how many segments it has."""
        return sum([each.holder == self.name for table in self.tables for each in await self.store.segments(table)])


@asynccontextmanager
async def there(*members: Member) -> AsyncIterator[None]:
    """Run nodes, the first before the others."""
    try:
        for member in members:
            await member.start()
        yield
    finally:
        for member in members:
            await member.kill()


async def shared_out(*members: Member) -> None:
    """Return when every node has its share: none has two segments more than another."""
    while True:
        counts = [await member.held() for member in members]
        if sum(counts) == len(members[0].projectors) and max(counts) - min(counts) <= 1:
            return
        await asyncio.sleep(0.01)


async def bump(history: MemoryHistory, count: int, start: int = 0) -> None:
    await append(history, *(Bumped(f"counter-{n % 40}") for n in range(start, start + count)))


async def reached(store: ViewStore, position: int) -> None:
    """Return when both read models are there."""
    while not all([(await store.checkpoint(table_of(model)) or 0) >= position for model in MODELS]):
        await asyncio.sleep(0.05)


async def stored(store: ViewStore) -> list[Rows]:
    return [await rows_in(store, table_of(model)) for model in MODELS]


async def rebuilt(history: MemoryHistory) -> list[Rows]:
    """Return what a projection from position 0 makes."""
    store = MemoryViews()
    for model in MODELS:
        table = table_of(model)
        for segment in range(table.segments):
            freshness, codec = Freshness(store), codec_of(model)
            projector = Projector(table, history, store, codec, freshness, segment=segment)
            await projector.prepare()
            await projector.catch_up()
    return await stored(store)
