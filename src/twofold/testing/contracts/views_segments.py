"""A table in segments: each has a checkpoint and an epoch of its own; the table is as far as the last of them."""

from __future__ import annotations

import asyncio

from twofold.read.store import Advance, ViewStore
from twofold.testing.contracts.rows import HISTORY, STOOLS, Stool, everything
from twofold.testing.contracts.view_suite import ViewSuite


class ViewSegments(ViewSuite):
    """Which rows are whose is the projections' affair; the store keeps their checkpoints apart."""

    async def test_segments_advance_each_for_itself(self, store: ViewStore) -> None:
        assert await store.prepare(STOOLS, HISTORY) == 0
        assert await store.apply(STOOLS, Advance(0, 4, [STOOLS.row(Stool("a"))], segment=1))
        assert await store.apply(STOOLS, Advance(0, 2, [STOOLS.row(Stool("b"))], segment=2))
        assert not await store.apply(STOOLS, Advance(2, 3, [STOOLS.row(Stool("c"))], segment=1))
        assert [each.checkpoint for each in await store.segments(STOOLS)] == [0, 4, 2]
        assert await store.prepare(STOOLS, HISTORY) == 0
        assert await everything(store, STOOLS) == [Stool("a"), Stool("b")]

    async def test_a_table_is_live_when_all_of_its_segments_have_caught_up(self, store: ViewStore) -> None:
        await store.prepare(STOOLS, HISTORY)
        for segment in range(3):
            assert await store.checkpoint(STOOLS) is None
            assert await store.apply(STOOLS, Advance(0, 5 + segment, live=True, segment=segment))
            standing = await store.standing(STOOLS, segment)
            assert standing is not None
            assert (standing.checkpoint, standing.ready, standing.live) == (5 + segment, True, segment == 2)
        assert await store.checkpoint(STOOLS) == 5
        standings = [await store.standing(STOOLS, segment) for segment in range(3)]
        assert list(await store.standings(STOOLS)) == standings, "queries see what was stored, here at once"
        assert await store.apply(STOOLS, Advance(5, 9, segment=0))
        assert await store.checkpoint(STOOLS) == 6
        assert (await store.status(STOOLS)).checkpoint == 6

    async def test_of_segments_that_catch_up_at_once_the_last_one_makes_the_table_live(self, store: ViewStore) -> None:
        await store.prepare(STOOLS, HISTORY)
        advances = [Advance(0, 1, live=True, segment=segment) for segment in range(3)]
        assert await asyncio.gather(*(store.apply(STOOLS, each) for each in advances)) == [True] * 3
        assert await store.checkpoint(STOOLS) == 1

    async def test_a_table_that_was_never_made_has_no_segments(self, store: ViewStore) -> None:
        assert list(await store.segments(STOOLS)) == []
        assert await store.standing(STOOLS, 2) is None
        assert list(await store.standings(STOOLS)) == []

    async def test_rows_are_read_with_the_checkpoint_that_they_belong_to(self, store: ViewStore) -> None:
        await store.prepare(STOOLS, HISTORY)
        await store.apply(STOOLS, Advance(0, 1, [STOOLS.row(Stool("a", 1))], segment=1))

        async def move() -> None:
            for position in range(1, 30):
                row = STOOLS.row(Stool("a", position + 1))
                assert await store.apply(STOOLS, Advance(position, position + 1, [row], segment=1))

        moving = asyncio.create_task(move())
        while not moving.done():
            position, rows = await store.rows_at(STOOLS, [("a",)], 1)
            assert [STOOLS.instance(row) for row in rows] == [Stool("a", position)]
            await asyncio.sleep(0)
        await moving
        assert await store.rows_at(STOOLS, [("z",)], 1) == (30, [])
