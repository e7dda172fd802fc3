"""Parked events are told, applied after all in their order, or given up; nothing is skipped silently (R4)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.read.boxes import MEND, Box, Emptied, Fragile, Packed, Pairs, parked_in, parking_of, rebuild_of
from tests.read.rig import append, project, projector_of, rebuilt, rows_in, table_of
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.engines.sqlite import SqliteViews
from twofold.errors import CannotRetry, TooManyParked
from twofold.read.parking import ParkedKey, Retried
from twofold.read.store import Unparked
from twofold.read.table import Table

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def unmended() -> Iterator[None]:
    MEND.done = False
    yield
    MEND.done = False


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteViews]:
    store = SqliteViews(tmp_path / "live")
    yield store
    await store.close()


async def poisoned() -> MemoryHistory:
    history = MemoryHistory()
    await append(history, Packed("a", 1), Packed("a", -2), Packed("b", 3), Packed("a", 4), Packed("b", -5))
    return history


async def test_what_is_parked_is_told_with_its_error_and_its_events(store: SqliteViews) -> None:
    history = await poisoned()
    await project(Box, history, store)
    error = "ValueError: nothing weighs so little"
    assert await parking_of(Box, history, store).keys() == [
        ParkedKey('["a"]', error, [2, 4], ["Packed", "Packed"]),
        ParkedKey('["b"]', error, [5], ["Packed"]),
    ]


async def test_once_the_code_is_mended_events_are_applied_in_their_order_and_rows_are_as_rebuilt(
    store: SqliteViews, tmp_path: Path
) -> None:
    history = await poisoned()
    projector = await project(Box, history, store)
    MEND.done = True
    assert await parking_of(Box, history, store).retry("a") == [Retried('["a"]', 2)]
    assert await rows_in(store, projector.table) == [("a", 3, "[1,-2,4]"), ("b", 3, "[3]")]
    assert [each[0] for each in await parked_in(store, Box)] == ['["b"]']
    # Who projected all the time takes up what is new of the key.
    await append(history, Packed("a", 6), Packed("b", 7))
    await until_caught_up(projector, history)
    assert await parking_of(Box, history, store).retry() == [Retried('["b"]', 2)]
    assert await parked_in(store, Box) == []
    assert await rows_in(store, projector.table) == await rebuilt(Box, history, tmp_path)


async def test_rows_that_end_or_begin_among_the_parked_events_are_as_rebuilt(
    store: SqliteViews, tmp_path: Path
) -> None:
    history = MemoryHistory()
    await append(history, Packed("a", -1), Packed("a", 2), Emptied("a"), Packed("b", 3), Packed("b", -1), Emptied("b"))
    await append(history, Packed("b", 5), Packed("c", 1))
    projector = await project(Box, history, store)
    MEND.done = True
    await parking_of(Box, history, store).retry()
    assert await rows_in(store, projector.table) == [("b", 5, "[5]"), ("c", 1, "[1]")]
    assert await rows_in(store, projector.table) == await rebuilt(Box, history, tmp_path)


async def test_what_fails_again_is_told_and_left_as_it_was(
    store: SqliteViews, caplog: pytest.LogCaptureFixture
) -> None:
    history = await poisoned()
    projector = await project(Box, history, store)
    parked, rows = await parked_in(store, Box), await rows_in(store, projector.table)
    caplog.clear()
    error = "ValueError: nothing weighs so little"
    assert await parking_of(Box, history, store).retry() == [
        Retried('["a"]', 0, 2, error), Retried('["b"]', 0, 5, error),
    ]  # fmt: skip
    assert (await parked_in(store, Box), await rows_in(store, projector.table)) == (parked, rows)
    assert "position 2" in caplog.text
    assert '"a"' not in caplog.text


async def test_one_key_is_retried_without_the_others_that_its_events_touch(store: SqliteViews, tmp_path: Path) -> None:
    history = MemoryHistory()
    await append(history, Packed("a", 1), Packed("b", -1), Packed("a", 2))
    projector = await project(Pairs, history, store)
    MEND.done = True
    assert await parking_of(Pairs, history, store).retry('["b"]') == [Retried('["b"]', 1)]
    assert await rows_in(store, projector.table) == [("a", 2), ("all", 1), ("b", 1)]
    assert await parking_of(Pairs, history, store).retry() == [Retried('["all"]', 2)]
    assert await rows_in(store, projector.table) == await rebuilt(Pairs, history, tmp_path)


class Busy(MemoryViews):
    """More is parked of the key before it can be taken up, so many times."""

    def __init__(self, history: MemoryHistory, times: int) -> None:
        super().__init__()
        self.history, self.times = history, times

    async def unpark(self, table: Table[Any], unparked: Unparked) -> bool:
        if self.times > 0:
            self.times -= 1
            await append(self.history, Packed("a", 10))
            await project(Box, self.history, self)
        return await super().unpark(table, unparked)


async def test_a_key_of_which_more_is_parked_meanwhile_is_taken_up_with_that_or_left_parked(tmp_path: Path) -> None:
    history = await poisoned()
    store = Busy(history, times=3)
    projector = await project(Box, history, store)
    MEND.done = True
    assert await parking_of(Box, history, store).retry("a") == [Retried('["a"]', 5)]
    await parking_of(Box, history, store).retry("b")
    assert await rows_in(store, projector.table) == await rebuilt(Box, history, tmp_path)
    MEND.done = False
    await append(history, Packed("a", -1))
    await project(Box, history, store)
    MEND.done, store.times = True, 1000
    [left] = await parking_of(Box, history, store).retry("a")
    assert left.events == 0
    assert "changed meanwhile" in left.error
    assert len(await parked_in(store, Box)) > 1


async def test_events_that_cannot_tell_their_row_are_refused_with_a_mend_and_may_be_given_up(
    store: SqliteViews,
) -> None:
    history = MemoryHistory()
    await append(history, Packed("a", 1), Packed(None, 2))
    await project(Box, history, store)
    parking = parking_of(Box, history, store)
    with pytest.raises(CannotRetry, match="mend `keys`, and rebuild"):
        await parking.retry("null")
    [told] = await parking.retry()
    assert (told.key, told.events, told.position) == ("null", 0, 2)
    assert "rebuild" in told.error
    assert await parking.drop("null") == 1
    assert await parking.retry() == []


async def test_what_is_given_up_is_gone_loudly_and_the_row_goes_on(
    store: SqliteViews, caplog: pytest.LogCaptureFixture
) -> None:
    history = await poisoned()
    projector = await project(Box, history, store)
    assert await parking_of(Box, history, store).drop("a") == 2
    assert "gave up 2 parked events of a key, at positions 2 to 4" in caplog.text
    await append(history, Packed("a", 8))
    await until_caught_up(projector, history)
    assert await rows_in(store, projector.table) == [("a", 9, "[1,8]"), ("b", 3, "[3]")]
    assert [each[0] for each in await parked_in(store, Box)] == ['["b"]']


@pytest.mark.parametrize("key", ["z", '["z"]', "null", "", "["])
async def test_a_key_under_which_nothing_is_parked_is_refused(store: SqliteViews, key: str) -> None:
    history = await poisoned()
    await project(Box, history, store)
    for work in (parking_of(Box, history, store).retry, parking_of(Box, history, store).drop):
        with pytest.raises(CannotRetry, match="nothing is parked under that key"):
            await work(key)


async def test_a_projection_stops_before_more_keys_are_parked_than_allowed_and_goes_on_after_a_retry(
    store: SqliteViews,
) -> None:
    history = MemoryHistory()
    await append(history, Packed("a", -1), Packed("b", -1))
    projector = await project(Fragile, history, store)
    await append(history, Packed("c", -1))
    for _ in range(2):
        with pytest.raises(TooManyParked, match="more than 2 keys of read model Fragile"):
            await projector.catch_up()
    assert await store.checkpoint(projector.table) == 2
    MEND.done = True
    assert len(await parking_of(Fragile, history, store).retry()) == 2
    await until_caught_up(projector, history)
    assert await rows_in(store, projector.table) == [("a",), ("b",), ("c",)]


async def test_a_rebuild_takes_up_what_is_parked_too(store: SqliteViews, tmp_path: Path) -> None:
    history = await poisoned()
    projector = await project(Box, history, store)
    MEND.done = True
    found = await rebuild_of(Box, history, store).run()
    assert (found.parked, found.mended, found.differing) == (0, 2, 0)
    assert await rows_in(store, projector.table) == await rebuilt(Box, history, tmp_path)


async def stale_projection(store: MemoryViews) -> None:
    """Retry while a projection holds a batch that it folded before; afterwards nothing may be parked."""
    history = MemoryHistory()
    await append(history, Packed("a", 1), Packed("a", -2))
    projector = projector_of(Box, history, store)
    await projector.prepare()
    running = asyncio.create_task(projector.run())
    try:
        await reached(store, 2)
        MEND.done = True
        await parking_of(Box, history, store).retry("a")
        await append(history, Packed("a", 4))
        await reached(store, 3)
        assert await parked_in(store, Box) == []
        assert await rows_in(store, projector.table) == [("a", 3, "[1,-2,4]")]
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_a_projection_that_runs_on_forgets_what_it_knew_of_a_key_that_was_taken_up() -> None:
    await stale_projection(MemoryViews())


class SameEpoch(MemoryViews):
    """A planted mistake: a key is taken up, and those who project are not told."""

    async def unpark(self, table: Table[Any], unparked: Unparked) -> bool:
        segments = self._tables[table.versioned_name].segments
        epochs = [segment.epoch for segment in segments]
        stored = await super().unpark(table, unparked)
        for segment, epoch in zip(segments, epochs, strict=True):
            segment.epoch = epoch
        return stored


async def test_control_without_a_new_epoch_the_projection_goes_on_parking_what_is_parked_no_more() -> None:
    with pytest.raises(AssertionError):
        await stale_projection(SameEpoch())


async def until_caught_up(projector: Any, history: MemoryHistory) -> None:
    """Catch up; the first batch is refused where rows were changed by other hands meanwhile."""
    while await projector._store.checkpoint(projector.table) != await history.head():
        await projector.catch_up()


async def reached(store: MemoryViews, position: int) -> None:
    async with asyncio.timeout(30):
        while (await store.checkpoint(table_of(Box)) or 0) < position:
            await store.changed(0)
            await asyncio.sleep(0)
