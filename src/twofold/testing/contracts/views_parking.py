"""R4: parked events are told in order, and taken up or given up whole; rows are deleted where they are to be."""

from __future__ import annotations

import asyncio

import pytest

from twofold.read.store import Advance, Parked, Unparked, ViewStore
from twofold.testing.contracts.rows import NOTES, SEATS, Note, Seat, everything, key, prepared, put
from twofold.testing.contracts.view_suite import ViewSuite

A, B = '["a"]', '["b"]'
PARKED = [Parked(A, 3, "it failed"), Parked(B, 4, "it failed too"), Parked(A, 5)]


class ViewParking(ViewSuite):
    """What becomes of parked events, and of rows that end."""

    async def test_parked_events_are_told_in_order(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        assert list(await store.parked(NOTES)) == []
        await put(store, NOTES, reached=5, parked=PARKED)
        assert list(await store.parked(NOTES)) == PARKED
        assert list(await store.parked(NOTES, A)) == [PARKED[0], PARKED[2]]
        assert list(await store.parked(NOTES, "[]")) == []

    async def test_a_key_is_taken_up_with_its_row(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1), Note("b", 1), reached=5, parked=PARKED)
        assert await store.unpark(NOTES, Unparked(A, [3, 5], [NOTES.row(Note("a", 3))]))
        assert list(await store.parked(NOTES)) == [PARKED[1]]
        assert await everything(store, NOTES) == [Note("a", 3), Note("b", 1)]
        assert await store.unpark(NOTES, Unparked(B, [4], deleted=[key("b")]))
        assert await everything(store, NOTES) == [Note("a", 3)]
        assert dict(await store.parked_keys(NOTES)) == {}
        assert await store.checkpoint(NOTES) == 5

    @pytest.mark.parametrize("positions", [[], [3], [5], [3, 4, 5], [4]])
    async def test_a_key_with_other_parked_events_is_left_as_it_is(
        self, store: ViewStore, positions: list[int]
    ) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, reached=5, parked=PARKED)
        assert not await store.unpark(NOTES, Unparked(A, positions, [NOTES.row(Note("a", 3))]))
        assert list(await store.parked(NOTES)) == PARKED
        assert await everything(store, NOTES) == []
        assert await put(store, NOTES, Note("c"), expected=5)

    async def test_who_projected_before_a_key_was_taken_up_begins_again(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        lease = await store.claim(NOTES, "one", 3600)
        assert await store.apply(NOTES, Advance(0, 5, parked=PARKED, epoch=lease.epoch))
        assert await store.unpark(NOTES, Unparked(A, [3, 5]))
        stale = Advance(5, 6, parked=[Parked(A, 6)], epoch=lease.epoch)
        assert not await store.apply(NOTES, stale), "an event would be parked behind what is parked no more"
        again = await store.claim(NOTES, "one", 3600)
        assert again.mine
        assert again.epoch > lease.epoch
        assert await store.apply(NOTES, Advance(5, 6, [NOTES.row(Note("a", 6))], epoch=again.epoch))

    async def test_of_two_that_take_a_key_up_at_once_one_does(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, reached=5, parked=PARKED)
        unparked = [Unparked(A, [3, 5], [NOTES.row(Note("a", n))]) for n in range(4)]
        taken = await asyncio.gather(*(store.unpark(NOTES, each) for each in unparked))
        assert sorted(taken) == [False] * 3 + [True]
        assert await everything(store, NOTES) == [Note("a", taken.index(True))]

    async def test_rows_are_deleted_by_key(self, store: ViewStore) -> None:
        await prepared(store, NOTES, SEATS)
        await put(store, NOTES, Note("a"), Note("b"), Note("c"))
        gone = [key("a"), key("c"), key("never there")]
        assert await store.apply(NOTES, Advance(1, 2, [NOTES.row(Note("d"))], deleted=gone))
        assert await everything(store, NOTES) == [Note("b"), Note("d")]
        assert not await store.load(NOTES, gone)
        assert not await store.get(NOTES, gone)
        assert not await store.apply(NOTES, Advance(1, 3, deleted=[key("b")]))
        assert await everything(store, NOTES) == [Note("b"), Note("d")]
        await put(store, SEATS, Seat("a", 1), Seat("a", 2), Seat("b", 1))
        assert await store.apply(SEATS, Advance(1, 2, deleted=[key("a", 1)]))
        assert await everything(store, SEATS) == [Seat("a", 2), Seat("b", 1)]
