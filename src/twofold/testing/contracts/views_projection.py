"""R1 and R2: rows and checkpoint move together, from the checkpoint that was expected, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from twofold.errors import HistoryMismatch
from twofold.read.store import Advance, Parked, TableStatus, ViewStore
from twofold.testing.contracts.rows import (
    HISTORY,
    NOTES,
    OTHER_HISTORY,
    SEATS,
    Note,
    Seat,
    everything,
    key,
    prepared,
    put,
)
from twofold.testing.contracts.view_suite import ViewSuite

NEW = TableStatus(checkpoint=0, live=False, rows=0, parked=0)


class ViewProjection(ViewSuite):
    """Preparing tables, and applying batches to them."""

    async def test_a_table_that_was_never_made_has_nothing(self, store: ViewStore) -> None:
        assert await store.checkpoint(NOTES) is None
        assert await store.status(NOTES) == NEW

    async def test_a_new_table_is_empty_at_position_zero_and_not_live(self, store: ViewStore) -> None:
        assert await store.prepare(NOTES, HISTORY) == 0
        assert await store.checkpoint(NOTES) is None
        assert await store.status(NOTES) == NEW
        assert dict(await store.load(NOTES, [key("a")])) == {}
        assert dict(await store.parked_keys(NOTES)) == {}

    async def test_preparing_again_keeps_what_is_there(self, store: ViewStore) -> None:
        await store.prepare(NOTES, HISTORY)
        await put(store, NOTES, Note("a", 1), reached=7, live=True)
        assert await store.prepare(NOTES, HISTORY) == 7
        assert await everything(store, NOTES) == [Note("a", 1)]
        assert await store.checkpoint(NOTES) == 7

    async def test_a_batch_stores_rows_and_checkpoint(self, store: ViewStore) -> None:
        await store.prepare(NOTES, HISTORY)
        assert await put(store, NOTES, Note("a", 1), Note("b", 2), reached=5)
        assert await store.prepare(NOTES, HISTORY) == 5
        assert await store.status(NOTES) == TableStatus(checkpoint=5, live=False, rows=2, parked=0)
        assert await everything(store, NOTES) == [Note("a", 1), Note("b", 2)]

    async def test_a_row_replaces_the_one_of_its_key_whole(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1, 1, "one"), Note("b", 2))
        await put(store, NOTES, Note("a", 3), expected=1)
        assert await everything(store, NOTES) == [Note("a", 3), Note("b", 2)]

    async def test_a_key_of_several_fields_tells_rows_apart(self, store: ViewStore) -> None:
        await prepared(store, SEATS)
        await put(store, SEATS, Seat("a", 1), Seat("a", 2), Seat("b", 1))
        await put(store, SEATS, Seat("a", 2, taken=True), expected=1)
        assert await everything(store, SEATS) == [Seat("a", 1), Seat("a", 2, True), Seat("b", 1)]

    async def test_loading_finds_rows_by_key(self, store: ViewStore) -> None:
        await prepared(store, NOTES, SEATS)
        await put(store, NOTES, Note("a", 1), Note("b", 2), Note("c", 3))
        found = await store.load(NOTES, [key("c"), key("a"), key("d")])
        assert {k: NOTES.instance(row) for k, row in found.items()} == {key("a"): Note("a", 1), key("c"): Note("c", 3)}
        await put(store, SEATS, Seat("a", 1), Seat("b", 2))
        assert set(await store.load(SEATS, [key("a", 1), key("a", 2), key("b", 2)])) == {key("a", 1), key("b", 2)}
        assert dict(await store.load(SEATS, [])) == {}

    @pytest.mark.parametrize("expected", [0, 2, 4])
    async def test_a_batch_from_another_checkpoint_stores_nothing(self, store: ViewStore, expected: int) -> None:
        await store.prepare(NOTES, HISTORY)
        await put(store, NOTES, Note("a", 1), reached=3)
        parked = [Parked('["z"]', 4, "it failed")]
        assert not await put(store, NOTES, Note("a", 2), Note("b", 2), expected=expected, parked=parked, live=True)
        assert await everything(store, NOTES) == [Note("a", 1)]
        assert await store.status(NOTES) == TableStatus(checkpoint=3, live=False, rows=1, parked=0)

    async def test_a_batch_that_fails_stores_nothing(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        good, bad = NOTES.row(Note("a", 1)), NOTES.row(Note("b", 2))[:0]
        with pytest.raises(Exception):  # noqa: B017 - each engine refuses it in its own words
            await store.apply(NOTES, Advance(0, 1, [good, bad], [Parked('["z"]', 1, "it failed")]))
        assert await store.status(NOTES) == TableStatus(checkpoint=0, live=True, rows=0, parked=0)
        assert await put(store, NOTES, Note("a", 1))

    async def test_a_batch_without_rows_moves_the_checkpoint(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        assert await put(store, NOTES, reached=9)
        assert await store.checkpoint(NOTES) == 9

    async def test_large_batches_are_stored_and_loaded(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        notes = [Note(f"{n:05}", n) for n in range(5_000)]
        assert await put(store, NOTES, *notes)
        assert await everything(store, NOTES) == notes
        assert len(await store.load(NOTES, [key(note.name) for note in notes])) == 5_000

    async def test_of_two_batches_at_once_from_one_checkpoint_one_is_stored(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        stored = await asyncio.gather(*[put(store, NOTES, Note("a", n), Note(f"b{n}")) for n in range(5)])
        assert sorted(stored) == [False] * 4 + [True]
        winner = stored.index(True)
        assert await everything(store, NOTES) == [Note("a", winner), Note(f"b{winner}")]

    async def test_tables_do_not_touch_each_other(self, store: ViewStore) -> None:
        await prepared(store, NOTES, SEATS)
        await put(store, NOTES, Note("a"), reached=5, parked=[Parked('["z"]', 1, "it failed")])
        assert await store.status(SEATS) == TableStatus(checkpoint=0, live=True, rows=0, parked=0)
        await put(store, SEATS, Seat("a", 1), reached=2)
        assert await store.checkpoint(NOTES) == 5
        assert await store.checkpoint(SEATS) == 2

    async def test_another_history_is_refused_and_nothing_is_changed(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a"))
        with pytest.raises(HistoryMismatch) as refused:
            await store.prepare(NOTES, OTHER_HISTORY)
        assert refused.value.model == "Note"
        assert await store.prepare(NOTES, HISTORY) == 1
        assert await everything(store, NOTES) == [Note("a")]

    async def test_parked_keys_are_told_with_their_first_position(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        first = [Parked('["a"]', 3, "it failed"), Parked('["b"]', 4, "it failed"), Parked('["a"]', 5)]
        await put(store, NOTES, reached=5, parked=first)
        await put(store, NOTES, expected=5, reached=8, parked=[Parked('["b"]', 7), Parked('["c"]', 8, "it failed")])
        assert dict(await store.parked_keys(NOTES)) == {'["a"]': 3, '["b"]': 4, '["c"]': 8}
        assert (await store.status(NOTES)).parked == 3
