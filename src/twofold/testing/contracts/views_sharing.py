"""Which nodes project, and which holds what: what they share the segments out by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twofold.read.share import Segment
from twofold.read.store import Advance, SharedViewStore
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.rows import HISTORY, NOTES, STOOLS, prepared
from twofold.testing.contracts.view_suite import ViewSuite

HOUR = 3600.0
NAMES = [NOTES.versioned_name, STOOLS.versioned_name]


@asynccontextmanager
async def shared(engine: ViewEngine) -> AsyncIterator[SharedViewStore]:
    """Open a store that keeps leases, with a table of one segment and one of three."""
    engine.needs("lease")
    async with engine.opened(engine.place()) as store:
        assert isinstance(store, SharedViewStore), "a store that keeps leases tells who is there"
        await prepared(store, NOTES)
        await store.prepare(STOOLS, HISTORY)
        yield store


class ViewSharing(ViewSuite):
    """Nodes that know of each other."""

    async def test_nodes_that_attend_are_there_with_what_they_can_project(self, engine: ViewEngine) -> None:
        async with shared(engine) as store:
            assert not (await store.attendance("one")).nodes
            await store.attend("one", NAMES, HOUR)
            await store.attend("other", NAMES[:1], HOUR)
            nodes = (await store.attendance("one")).nodes
            assert {name: sorted(tables) for name, tables in nodes.items()} == {"one": NAMES, "other": NAMES[:1]}
            await store.attend("other", NAMES, HOUR)
            assert sorted((await store.attendance("one")).nodes["other"]) == NAMES

    async def test_a_node_is_gone_when_it_leaves_or_says_no_more_that_it_is_there(self, engine: ViewEngine) -> None:
        async with shared(engine) as store:
            for name, seconds in (("one", HOUR), ("other", HOUR), ("silent", 0)):
                await store.attend(name, NAMES, seconds)
            assert set((await store.attendance("one")).nodes) == {"one", "other"}
            await store.leave("one")
            await store.leave("one")
            assert set((await store.attendance("one")).nodes) == {"other"}
            await store.attend("silent", NAMES, HOUR)
            assert set((await store.attendance("one")).nodes) == {"other", "silent"}

    async def test_every_segment_is_told_with_its_holder(self, engine: ViewEngine) -> None:
        async with shared(engine) as store:
            stools = [Segment(STOOLS.versioned_name, number) for number in range(3)]
            note = Segment(NOTES.versioned_name, 0)
            assert (await store.attendance("one")).held == dict.fromkeys([*stools, note])
            assert (await store.claim(STOOLS, "one", HOUR, 1)).mine
            assert (await store.claim(STOOLS, "other", HOUR, 2)).mine
            assert not (await store.claim(STOOLS, "other", HOUR, 1)).mine
            # Its lease has run out.
            assert (await store.claim(NOTES, "one", 0)).mine
            held = (await store.attendance("one")).held
            assert held == {stools[0]: None, stools[1]: "one", stools[2]: "other", note: None}
            assert [each.holder for each in await store.segments(STOOLS)] == [None, "one", "other"]
            await store.release(STOOLS, "other", 2)
            assert (await store.attendance("one")).held[stools[2]] is None

    async def test_a_segments_batches_are_stored_under_the_epoch_of_its_own_lease(self, engine: ViewEngine) -> None:
        async with shared(engine) as store:
            await store.claim(STOOLS, "one", 0, 1)
            lease = await store.claim(STOOLS, "other", HOUR, 1)
            assert not await store.apply(STOOLS, Advance(0, 1, epoch=lease.epoch - 1, segment=1))
            assert not await store.apply(STOOLS, Advance(0, 1, epoch=lease.epoch, segment=2))
            assert await store.apply(STOOLS, Advance(0, 1, epoch=lease.epoch, segment=1))

    async def test_it_is_told_when_something_of_another_node_runs_out(self, engine: ViewEngine) -> None:
        async with shared(engine) as store:
            await store.attend("one", NAMES, HOUR)
            await store.claim(NOTES, "one", HOUR)
            assert (await store.attendance("one")).seconds == float("inf")
            assert HOUR - 600 < (await store.attendance("other")).seconds <= HOUR
            await store.claim(STOOLS, "other", HOUR / 2, 1)
            assert HOUR / 2 - 600 < (await store.attendance("one")).seconds <= HOUR / 2
