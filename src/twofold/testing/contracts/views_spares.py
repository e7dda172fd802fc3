"""R5: a spare is filled beside the live table, and changes places with it in one step, forth and back."""

from __future__ import annotations

from typing import Any

import pytest

from twofold.read.store import Advance, Parked, ViewStore
from twofold.read.table import Table
from twofold.testing.contracts.rows import (
    HISTORY,
    NEW_NOTES,
    NOTES,
    STOOLS,
    NewNote,
    Note,
    Stool,
    everything,
    prepared,
    put,
)
from twofold.testing.contracts.rows import key as key_of
from twofold.testing.contracts.view_suite import ViewSuite

SPARE = NOTES.spare
SHADOW = NOTES.shadow


async def _epoch(store: ViewStore, table: Table[Any], segment: int = 0) -> int:
    standing = await store.standing(table, segment)
    assert standing is not None
    return standing.epoch


async def _was_live(store: ViewStore, table: Table[Any]) -> bool | None:
    return next((each.was_live for each in await store.versions(table) if each.version == table.version), None)


async def _fill(store: ViewStore, *notes: Note, reached: int, live: bool = True) -> None:
    """Make the spare anew, and store rows in it."""
    await store.begin_spare(NOTES, HISTORY)
    rows = [NOTES.row(note) for note in notes]
    assert await store.apply(SPARE, Advance(0, reached, rows, live=live, epoch=await _epoch(store, SPARE)))


class ViewSpares(ViewSuite):
    """Building anew, without a moment in which queries see half of it."""

    async def test_a_spare_is_empty_at_position_zero_and_changes_nothing_of_the_table(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1), reached=3)
        await _fill(store, Note("b", 2), reached=2)
        assert await everything(store, NOTES) == [Note("a", 1)]
        assert await everything(store, SPARE) == [Note("b", 2)]
        await store.begin_spare(NOTES, HISTORY)
        assert await everything(store, SPARE) == []
        standing = await store.standing(SPARE)
        assert standing is not None
        assert (standing.checkpoint, standing.ready, standing.live) == (0, False, False)
        assert await store.checkpoint(NOTES) == 3

    async def test_an_exchange_swaps_rows_checkpoints_and_parked_events(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1), reached=3, parked=[Parked('["z"]', 2, "it failed")])
        await _fill(store, Note("b", 2), Note("c", 3), reached=5)
        assert await store.exchange(NOTES)
        assert await everything(store, NOTES) == [Note("b", 2), Note("c", 3)]
        assert await store.checkpoint(NOTES) == 5
        assert dict(await store.parked_keys(NOTES)) == {}
        assert await everything(store, SPARE) == [Note("a", 1)]
        assert await store.checkpoint(SPARE) is None
        assert dict(await store.parked_keys(SPARE)) == {'["z"]': 2}

    async def test_what_was_exchanged_is_exchanged_back_once_it_has_caught_up(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1), reached=3)
        await _fill(store, Note("b", 2), reached=5)
        assert await _was_live(store, SPARE) is False
        assert await store.exchange(NOTES)
        assert await _was_live(store, SPARE) is True
        assert not await store.exchange(NOTES), "the spare is behind: queries would go back in time"
        assert await everything(store, NOTES) == [Note("b", 2)]
        epoch = await _epoch(store, SPARE)
        assert await store.apply(SPARE, Advance(3, 5, [NOTES.row(Note("c"))], live=True, epoch=epoch))
        assert await store.exchange(NOTES)
        assert await everything(store, NOTES) == [Note("a", 1), Note("c")]
        assert await store.checkpoint(NOTES) == 5
        await store.begin_spare(NOTES, HISTORY)
        assert await _was_live(store, SPARE) is False

    @pytest.mark.parametrize(("reached", "ready"), [(2, True), (3, False), (9, False)])
    async def test_a_spare_that_is_behind_or_has_not_caught_up_is_not_exchanged(
        self, store: ViewStore, reached: int, ready: bool
    ) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1), reached=3)
        assert not await store.exchange(NOTES), "there is no spare"
        await _fill(store, Note("b", 2), reached=reached, live=ready)
        assert not await store.exchange(NOTES)
        assert await everything(store, NOTES) == [Note("a", 1)]
        assert await store.checkpoint(NOTES) == 3

    async def test_a_table_that_is_not_live_is_not_exchanged(self, store: ViewStore) -> None:
        await store.prepare(NOTES, HISTORY)
        await _fill(store, Note("b", 2), reached=2)
        assert not await store.exchange(NOTES)
        assert await store.checkpoint(NOTES) is None

    async def test_who_projected_before_an_exchange_stores_nothing_more(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1), reached=3)
        before = await _epoch(store, NOTES)
        await _fill(store, Note("b", 2), reached=3)
        spare_before = await _epoch(store, SPARE)
        assert await store.exchange(NOTES)
        stale = NOTES.row(Note("stale"))
        for table, epoch in ((NOTES, before), (NOTES, spare_before), (SPARE, before), (SPARE, spare_before)):
            assert not await store.apply(table, Advance(3, 4, [stale], epoch=epoch))
        assert await store.apply(NOTES, Advance(3, 4, [NOTES.row(Note("c"))], epoch=await _epoch(store, NOTES)))
        assert await everything(store, NOTES) == [Note("b", 2), Note("c")]

    async def test_who_fills_a_spare_that_was_begun_again_stores_nothing_more(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await store.begin_spare(NOTES, HISTORY)
        before = await _epoch(store, SPARE)
        await store.begin_spare(NOTES, HISTORY)
        assert not await store.apply(SPARE, Advance(0, 1, [NOTES.row(Note("a"))], epoch=before))
        assert await everything(store, SPARE) == []

    async def test_a_shadow_is_made_and_dropped_beside_the_table_and_its_spare(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1), reached=3)
        await _fill(store, Note("b", 2), reached=5)
        await store.drop_shadow(NOTES)
        await store.begin_shadow(NOTES, HISTORY)
        before = await _epoch(store, SHADOW)
        kept = [Parked('["z"]', 2, "it failed")]
        shadowed = Advance(0, 4, [NOTES.row(Note("c", 3))], kept, live=True, epoch=before)
        assert await store.apply(SHADOW, shadowed)
        assert [await everything(store, each) for each in (NOTES, SPARE, SHADOW)] == [
            [Note("a", 1)], [Note("b", 2)], [Note("c", 3)],
        ]  # fmt: skip
        assert await store.checkpoint(SHADOW) is None
        await store.begin_shadow(NOTES, HISTORY)
        assert not await store.apply(SHADOW, Advance(0, 1, epoch=before)), "it was begun anew"
        assert (await everything(store, SHADOW), dict(await store.parked_keys(SHADOW))) == ([], {})
        assert await store.exchange(NOTES)
        after = await _epoch(store, SHADOW)
        await store.drop_shadow(NOTES)
        assert await store.standing(SHADOW) is None
        assert {each.version for each in await store.versions(NOTES)} == {NOTES.version, SPARE.version}
        assert [await everything(store, each) for each in (NOTES, SPARE)] == [[Note("b", 2)], [Note("a", 1)]]
        await store.begin_shadow(NOTES, HISTORY)
        assert await _epoch(store, SHADOW) not in (before, after)

    async def test_segments_are_exchanged_each_with_its_checkpoint(self, store: ViewStore) -> None:
        await store.prepare(STOOLS, HISTORY)
        for segment in range(3):
            assert await store.apply(STOOLS, Advance(0, 1 + segment, live=True, segment=segment))
        await store.begin_spare(STOOLS, HISTORY)
        for segment in range(3):
            assert not await store.exchange(STOOLS)
            row = STOOLS.row(Stool(str(segment)))
            assert await store.apply(STOOLS.spare, Advance(0, 3, [row], live=True, segment=segment))
        assert await store.exchange(STOOLS)
        assert await everything(store, STOOLS) == [Stool("0"), Stool("1"), Stool("2")]
        assert await store.checkpoint(STOOLS) == 3
        assert [each.checkpoint for each in await store.segments(STOOLS.spare)] == [1, 2, 3]

    async def test_a_new_definition_goes_live_whatever_was_exchanged_before(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await _fill(store, Note("b", 2), reached=2)
        assert await store.exchange(NOTES)
        await store.prepare(NEW_NOTES, HISTORY)
        await put(store, NEW_NOTES, NewNote("b", 2), reached=2, live=True)
        assert await store.checkpoint(NOTES) is None
        assert await store.checkpoint(NEW_NOTES) == 2
        assert await everything(store, NOTES) == [Note("b", 2)]
        assert not await store.exchange(NOTES)
        assert dict(await store.load(NEW_NOTES, [key_of("b")])) == {key_of("b"): NEW_NOTES.row(NewNote("b", 2))}
