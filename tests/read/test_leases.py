"""Several nodes and one read model: one projects it under a lease, the others stand by and take over (R2)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from tests.engines.view_mistakes import Leasing, replace
from tests.faults.virtual import run_virtually
from tests.read.rig import append, projector_of, rows_in
from tests.read.test_crash import Clock, InBatches, Ticked, ticking
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.read import folding
from twofold.read.folding import Folding
from twofold.read.projector import LEASE, Projector
from twofold.read.store import Advance, ViewStore
from twofold.read.table import Key, Row, Table

Rows = list[tuple[Any, ...]]


class Watched(Leasing):
    """Tells under which epochs batches were stored, and how many were refused."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []
        self.refused = 0

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        stored = await super().apply(table, advance)
        if stored:
            self.epochs.append(advance.epoch)
        else:
            self.refused += 1
        return stored


def now() -> float:
    return asyncio.get_running_loop().time()


async def rebuilt(history: MemoryHistory) -> Rows:
    store = MemoryViews()
    projector = projector_of(Clock, history, store)
    await projector.prepare()
    await projector.catch_up()
    return await rows_in(store, projector.table)


async def until(store: ViewStore, projector: Projector, position: int) -> None:
    while await store.checkpoint(projector.table) != position:
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*projectors: Projector) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = []
    for projector in projectors:
        await projector.prepare()
        tasks.append(asyncio.create_task(projector.run()))
        # Who comes first has the lease.
        await asyncio.sleep(0.01)
    try:
        yield tasks
    finally:
        await end(*tasks)


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def two(history: MemoryHistory, store: ViewStore) -> tuple[Projector, Projector]:
    return projector_of(Clock, history, store, "one"), projector_of(Clock, history, store, "other")


def test_while_one_holds_the_lease_the_other_stores_nothing_however_long_it_takes() -> None:
    async def main() -> None:
        history, store = await ticking(), Watched()
        one, other = two(history, store)
        async with running(one, other):
            for number in range(20, 30):
                # Idle for longer than a lease lasts: it is renewed.
                await asyncio.sleep(LEASE * 2)
                await append(history, Ticked("a", 1))
                await until(store, one, number + 1)
            assert set(store.epochs) == {1}
            assert store.refused == 0
            assert (await store.status(one.table)).holder == "one"
        assert await rows_in(store, one.table) == await rebuilt(history)

    run_virtually(main())


@pytest.mark.parametrize(("released", "within"), [(True, LEASE / 2), (False, LEASE + 0.1)])
def test_another_takes_over_soon_after_a_release_and_else_when_the_lease_ends(released: bool, within: float) -> None:
    async def main() -> None:
        history, store = await ticking(), Watched()
        one, other = two(history, store)
        async with running(one, other) as (first, _):
            await until(store, one, 20)
            await end(first)
            if released:
                await one.release()
            ended = now()
            await append(history, Ticked("a", 1))
            await until(store, other, 21)
            assert now() - ended <= within
            assert (await store.status(one.table)).holder == "other"
        assert store.epochs[-1] == 2
        assert await rows_in(store, one.table) == await rebuilt(history)

    run_virtually(main())


class Stalling(Watched):
    """Is held up now and then for longer than a lease lasts: a machine that sleeps, or a network that is gone."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = Random(seed)

    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        rows = await super().load(table, keys)
        await self._stall()
        return rows

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        await self._stall()
        stored = await super().apply(table, advance)
        await self._stall()
        return stored

    async def _stall(self) -> None:
        await asyncio.sleep(self._chance.choice((0, 0, 0.01, 1, LEASE * 2)))


class AnyLease(Stalling):
    """A planted bug: neither the epoch nor the checkpoint is looked at."""

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        expected, epoch = self._tables[table.versioned_name].checkpoint, self._of(table).epoch
        reached = max(expected, advance.reached)
        return await super().apply(table, replace(advance, expected=expected, reached=reached, epoch=epoch))


async def race(store: Stalling) -> None:
    """Let three nodes follow a growing history while each is held up at random, and compare with a rebuild."""
    history, chance = InBatches(), Random(7)
    nodes = [projector_of(Clock, history, store, name) for name in ("one", "two", "three")]
    async with running(*nodes):
        for _ in range(40):
            seconds = [chance.randrange(13) for _ in range(chance.randrange(12))]
            await append(history, *(Ticked(chance.choice("abcd"), each) for each in seconds))
            await asyncio.sleep(chance.random() * 10)
        await until(store, nodes[0], await history.head())
    assert await rows_in(store, nodes[0].table) == await rebuilt(history)


@pytest.mark.parametrize("seed", range(5))
def test_nodes_that_lose_their_leases_in_the_midst_of_it_apply_each_event_once(seed: int) -> None:
    store = Stalling(seed)
    run_virtually(race(store))
    assert len(set(store.epochs)) > 5
    assert store.refused > 0, "nobody ever tried to store what is stale"


def test_control_where_no_lease_and_no_checkpoint_is_looked_at_events_are_lost_or_counted_twice() -> None:
    def races() -> None:
        # One in sixty does not find it.
        for seed in range(10):
            run_virtually(race(AnyLease(seed)))

    with pytest.raises(AssertionError):
        races()


class Slow(MemoryViews):
    """Stores a batch only after the next one was folded."""

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        await asyncio.sleep(1)
        return await super().apply(table, advance)


async def pipeline() -> None:
    history, store = await ticking(), Slow()
    projector = projector_of(Clock, history, store)
    await projector.prepare()
    await projector.catch_up()
    assert await rows_in(store, projector.table) == await rebuilt(history)


@pytest.mark.parametrize("kept", [0, 1, 5000])
def test_a_batch_rests_on_the_rows_of_the_one_that_is_being_stored(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "_ROWS_KEPT", kept)
    run_virtually(pipeline())


def test_control_a_batch_that_rests_on_what_is_stored_alone_loses_events(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Folding._load

    async def stored_alone(
        self: Folding, keys: Sequence[Key], unsettled: Mapping[Key, Row | None]
    ) -> Mapping[Key, Row | None]:
        return await load(self, keys, {} if isinstance(self._store, Slow) else unsettled)

    monkeypatch.setattr(folding, "_ROWS_KEPT", 0)
    monkeypatch.setattr(Folding, "_load", stored_alone)
    with pytest.raises(AssertionError):
        run_virtually(pipeline())
