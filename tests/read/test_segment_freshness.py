"""How far a read model in segments is: as far as its last segment, whichever nodes project them."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.engines.view_mistakes import Leasing
from tests.faults.virtual import run_virtually
from tests.read.rig import table_of
from tests.read.sharing_rig import Counter, Member, bump, reached, shared_out, there
from tests.read.test_crash import InBatches
from twofold.engines.memory import MemoryViews
from twofold.read.freshness import Freshness
from twofold.read.projector import LEASE
from twofold.read.store import Advance
from twofold.read.table import Table

COUNTERS = table_of(Counter)


def test_what_a_node_does_not_project_it_does_not_vouch_for() -> None:
    freshness = Freshness(MemoryViews())
    for segment in range(4):
        freshness.moved(COUNTERS, 9, segment)
    assert freshness.reached(COUNTERS) is None
    for segment in range(4):
        freshness.projects(COUNTERS, segment, here=True)
        assert freshness.reached(COUNTERS) is None
    for segment, position in enumerate((9, 8, 7, 6)):
        freshness.moved(COUNTERS, position, segment)
    assert freshness.reached(COUNTERS) == 6
    freshness.projects(COUNTERS, 3, here=False)
    freshness.moved(COUNTERS, 10, 3)
    freshness.projects(COUNTERS, 3, here=True)
    freshness.moved(COUNTERS, 5, 3)
    assert freshness.reached(COUNTERS) == 6


def test_rows_have_changed_when_any_segment_has_moved() -> None:
    freshness = Freshness(MemoryViews())
    for segment in range(4):
        freshness.projects(COUNTERS, segment, here=True)
        freshness.moved(COUNTERS, 5, segment)
    before = freshness.stand([COUNTERS])
    freshness.moved(COUNTERS, 9, 2)
    assert freshness.reached(COUNTERS) == 5
    assert freshness.stand([COUNTERS]) != before


class Hanging(Leasing):
    """Never answers who holds leases under these epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = False

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        if self.hangs and advance.epoch == 1:
            await asyncio.Event().wait()
        return await super().apply(table, advance)


def test_who_waits_on_a_node_that_hangs_is_told_what_another_has_taken_over() -> None:
    async def main() -> None:
        history, store = InBatches(), Hanging()
        await bump(history, 40)
        one, two = Member("one", history, store), Member("two", history, store)
        async with there(one):
            await reached(store, 40)
            store.hangs = True
            await bump(history, 40)
            # It still says that it is there, but its leases run out, and it does not claim them again.
            waiting = asyncio.create_task(one.freshness.wait([COUNTERS], 80, LEASE * 20))
            async with there(two):
                await waiting

    run_virtually(main())


def test_whoever_asks_while_segments_change_hands_is_told_no_more_than_the_store_has() -> None:
    async def main() -> None:
        history, store = InBatches(), Leasing()
        one, two = Member("one", history, store), Member("two", history, store)
        async with there(one):
            for number in range(1, 30):
                await bump(history, 4)
                if number == 10:
                    await two.start()
                if number == 20:
                    await two.leave()
                await one.freshness.wait([COUNTERS], number * 4, LEASE * 4)
                stored = await store.checkpoint(COUNTERS)
                assert stored is not None
                assert number * 4 <= (one.freshness.reached(COUNTERS) or 0) <= stored
                if number == 19:
                    await shared_out(one, two)

    run_virtually(main())
