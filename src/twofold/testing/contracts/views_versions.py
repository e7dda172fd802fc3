"""R5: a new definition is filled beside the old one, and takes its name in one step when it has caught up."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from twofold.errors import DeclarationError, InvalidFilter
from twofold.history.record import Position
from twofold.read.store import Page, Parked, ViewStore
from twofold.read.table import Table
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.rows import (
    HISTORY,
    NEW_NOTES,
    NEWEST_NOTES,
    NOTES,
    SEATS,
    NewestNote,
    NewNote,
    Note,
    Seat,
    everything,
    key,
    prepared,
    put,
)
from twofold.testing.contracts.view_suite import ViewSuite
from twofold.testing.contracts.views_search import LETTERS


class ViewVersions(ViewSuite):
    """What is live, and what is not yet or not any more; and what outlives a closed store."""

    async def test_a_table_is_live_from_the_batch_on_that_says_so(self, store: ViewStore) -> None:
        await store.prepare(NOTES, HISTORY)
        await put(store, NOTES, Note("a"), reached=2)
        assert await store.checkpoint(NOTES) is None
        await put(store, NOTES, Note("b"), expected=2, reached=3, live=True)
        assert await store.checkpoint(NOTES) == 3
        await put(store, NOTES, Note("c"), expected=3, reached=4)
        assert await store.checkpoint(NOTES) == 4
        assert (await store.status(NOTES)).live

    async def test_the_old_version_stays_live_until_the_new_one_is(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1), reached=4)
        assert await store.prepare(NEW_NOTES, HISTORY) == 0
        await put(store, NEW_NOTES, NewNote("b", 2), reached=3)
        assert await _live(store, NOTES, NEW_NOTES) == [4, None]
        assert await everything(store, NOTES) == [Note("a", 1)]
        await put(store, NOTES, Note("c", 3), expected=4, reached=5)
        assert await everything(store, NOTES) == [Note("a", 1), Note("c", 3)]
        await put(store, NEW_NOTES, expected=3, reached=5, live=True)
        assert await _live(store, NOTES, NEW_NOTES) == [None, 5]
        assert await everything(store, NEW_NOTES) == [NewNote("b", 2)]

    async def test_the_version_before_is_kept_when_a_new_one_is_live(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1), reached=4)
        await prepared(store, NEW_NOTES)
        assert await everything(store, NOTES) == [Note("a", 1)]
        await prepared(store, NEWEST_NOTES)
        await put(store, NEWEST_NOTES, NewestNote("c"))
        assert await everything(store, NEWEST_NOTES) == [NewestNote("c")]
        assert await store.prepare(NEW_NOTES, HISTORY) == 0
        assert await _live(store, NEW_NOTES, NEWEST_NOTES) == [None, 1]

    async def test_a_version_may_become_live_again(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1), reached=4)
        await prepared(store, NEW_NOTES)
        await put(store, NOTES, Note("b", 2), expected=4, reached=6, live=True)
        assert await _live(store, NOTES, NEW_NOTES) == [6, None]
        assert await everything(store, NOTES) == [Note("a", 1), Note("b", 2)]

    async def test_the_versions_that_are_kept_are_told(self, store: ViewStore) -> None:
        assert list(await store.versions(NOTES)) == []
        await prepared(store, NOTES, SEATS)
        await put(store, NOTES, Note("a", 1), reached=4)
        await store.prepare(NEW_NOTES, HISTORY)
        await store.begin_spare(NOTES, HISTORY)
        wanted = {
            NOTES.version: (NOTES.shape, 4, True, True),
            NEW_NOTES.version: (NEW_NOTES.shape, 0, False, False),
            NOTES.spare.version: (NOTES.shape, 0, False, False),
        }
        assert await _kept(store, NOTES) == wanted
        assert await _kept(store, NEW_NOTES) == wanted
        await put(store, NEW_NOTES, NewNote("b", 2), reached=5, live=True)
        found = await _kept(store, NOTES)
        assert found[NOTES.version] == (NOTES.shape, 4, False, True)
        assert found[NEW_NOTES.version] == (NEW_NOTES.shape, 5, True, True)

    async def test_other_read_models_stay_live(self, store: ViewStore) -> None:
        await prepared(store, NOTES, SEATS, NEW_NOTES)
        assert await _live(store, SEATS) == [0]

    async def test_what_was_stored_is_there_when_the_place_is_opened_again(self, engine: ViewEngine) -> None:
        engine.needs("reopen")
        place = engine.place()
        async with engine.opened(place) as store:
            await prepared(store, NOTES, SEATS)
            await put(store, NOTES, Note("a", 1), reached=3, parked=[Parked('["z"]', 3, "it failed")])
            await store.prepare(NEW_NOTES, HISTORY)
            await put(store, NEW_NOTES, NewNote("b"), reached=2)
        async with engine.opened(place) as store:
            assert await store.prepare(NOTES, HISTORY) == 3
            assert await store.prepare(NEW_NOTES, HISTORY) == 2
            assert await _live(store, NOTES, NEW_NOTES, SEATS) == [3, None, 0]
            assert await everything(store, NOTES) == [Note("a", 1)]
            assert dict(await store.parked_keys(NOTES)) == {'["z"]': 3}
            assert await put(store, SEATS, Seat("a", 1))

    async def test_two_openings_of_one_place_share_rows_and_checkpoints(self, engine: ViewEngine) -> None:
        engine.needs("share")
        place = engine.place()
        async with engine.opened(place) as here, engine.opened(place) as there:
            await prepared(here, NOTES)
            assert await there.prepare(NOTES, HISTORY) == 0
            assert await put(here, NOTES, Note("a", 1))
            assert await there.checkpoint(NOTES) == 1
            assert await there.load(NOTES, [key("a")]) == await here.load(NOTES, [key("a")])
            assert not await put(there, NOTES, Note("a", 2))
            assert await put(there, NOTES, Note("b", 2), expected=1)
            assert await everything(here, NOTES) == [Note("a", 1), Note("b", 2)]

    async def test_a_store_may_be_closed_twice(self, engine: ViewEngine) -> None:
        store = await engine.at(engine.place())
        await prepared(store, NOTES)
        await store.close()
        await store.close()

    async def test_what_it_cannot_do_is_declared_and_nothing_else(self, engine: ViewEngine) -> None:
        place = engine.place()
        async with engine.opened(place) as store:
            await prepared(store, NOTES)
            await put(store, NOTES, Note("a", 1))
            async with engine.opened(place) as second:
                shares = await second.checkpoint(NOTES) == 1
            await store.claim(NOTES, "one", 3600)
            leases = not (await store.claim(NOTES, "other", 3600)).mine
            asked = {
                "find": store.find(NOTES, Page(equals=(("number", 1),), order=(("number", False), ("name", False)))),
                "sql": store.sql(NOTES, "where number = 1", {}),
                "search": store.prepare(LETTERS, HISTORY),
            }
            answered = {ability: await _is_answered(asking) for ability, asking in asked.items()}
        async with engine.opened(place) as again:
            keeps = await again.checkpoint(NOTES) == 1
        can = {"share": shares, "reopen": keeps, "connect": engine.write_raw is not None, "lease": leases, **answered}
        assert can == {ability: ability not in engine.cannot for ability in can}


async def _is_answered(asking: Awaitable[object]) -> bool:
    try:
        await asking
    except (InvalidFilter, DeclarationError):
        return False
    return True


async def _kept(store: ViewStore, table: Table[Any]) -> dict[str, tuple[str, Position, bool, bool]]:
    found = await store.versions(table)
    return {each.version: (each.shape, each.checkpoint, each.live, each.was_live) for each in found}


async def _live(store: ViewStore, *tables: Table[Any]) -> list[Position | None]:
    return [await store.checkpoint(table) for table in tables]
