"""Rows and checkpoint are one transaction: a crash between any two statements changes nothing (F21, R1)."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest

from tests.read.rig import append, projector_of, rebuilt, rows_in
from twofold import Event, Metadata, ReadModel, Tag
from twofold.engines.memory import MemoryHistory
from twofold.engines.sqlite import SqliteViews
from twofold.errors import StoreFailed
from twofold.history.boundary import Selection
from twofold.history.record import Position, Recorded
from twofold.read.store import Advance
from twofold.read.table import Table

pytestmark = pytest.mark.anyio


class Ticked(Event):
    clock: Annotated[str, Tag("clock")]
    seconds: int


class Clock(ReadModel, key="clock"):
    clock: str
    ticks: int = 0
    seconds: int = 0
    positions: list[int] = []

    def evolve(self, event: Ticked, meta: Metadata) -> None:
        self.ticks += 1
        self.seconds += event.seconds
        self.positions.append(meta.position)
        if event.seconds == 13:
            raise ValueError("no clock ticks thirteen")


class InBatches(MemoryHistory):
    """Reads a few events at a time, so that a projection takes several transactions."""

    async def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        async for batch in super().read(selection, after=after, until=until, limit=limit):
            for start in range(0, len(batch), 3):
                yield batch[start : start + 3]


async def ticking() -> InBatches:
    history = InBatches()
    await append(history, *(Ticked("abcd"[n * n % 4], 13 if n == 11 else n) for n in range(20)))
    return history


def statements_of(store: SqliteViews, hook: Any) -> Any:
    """Call the hook before each statement of the writing connection."""
    connection = store._writer._connection
    assert connection is not None
    connection.exec_trace = hook
    return connection


async def crash_everywhere(tmp_path: Path, kind: type[SqliteViews]) -> None:
    """Project while the files are copied before each statement, and check what each copy is taken up to."""
    history = await ticking()
    live = tmp_path / "live"
    store = kind(live)
    copies: list[Path] = []

    def copy(_cursor: Any, _sql: str, _bindings: Any) -> bool:
        copies.append(tmp_path / f"crashed-{len(copies)}")
        copies[-1].mkdir()
        for file in live.glob("views.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, copies[-1])
        return True

    statements_of(store, copy)
    projector = projector_of(Clock, history, store)
    await projector.prepare()
    await projector.catch_up()
    await store.close()
    wanted = await rebuilt(Clock, history, tmp_path)
    assert len(copies) > 40
    for crashed in copies:
        assert await _taken_up(crashed, history) == wanted


async def test_a_crash_before_any_statement_leaves_what_a_rebuild_continues_to(tmp_path: Path) -> None:
    await crash_everywhere(tmp_path, SqliteViews)


async def _taken_up(folder: Path, history: MemoryHistory) -> list[tuple[Any, ...]]:
    store = SqliteViews(folder)
    try:
        projector = projector_of(Clock, history, store)
        await projector.prepare()
        await projector.catch_up()
        return await rows_in(store, projector.table)
    finally:
        await store.close()


async def test_a_statement_that_fails_at_any_point_leaves_the_batch_to_be_done_again(tmp_path: Path) -> None:
    history = await ticking()
    wanted = await rebuilt(Clock, history, tmp_path)
    failures = 0
    for number in range(1, 60):
        store = SqliteViews(tmp_path / f"store-{number}")
        left = number

        def fail(_cursor: Any, sql: str, _bindings: Any) -> bool:
            nonlocal left
            left -= 1
            # Not the rollback itself: that is what a crash is for.
            return left != 0 or sql.startswith("ROLLBACK")

        statements_of(store, fail)
        projector = projector_of(Clock, history, store)
        failures += await _until_it_is_done(projector)
        assert await rows_in(store, projector.table) == wanted
        await store.close()
    assert failures > 40


async def _until_it_is_done(projector: Any) -> int:
    failures = 0
    while True:
        try:
            await projector.prepare()
            await projector.catch_up()
            if await projector._store.checkpoint(projector.table) == 20:
                return failures
        except StoreFailed:
            failures += 1
            assert failures < 5


class Forgetful(SqliteViews):
    """Fails now and then: before the transaction, or after it as if the answer had been lost."""

    plan: Iterator[str]

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        what = next(self.plan, "")
        if what == "before":
            raise StoreFailed(path="views", problem="it failed before anything was stored")
        stored = await super().apply(table, advance)
        if what == "after":
            raise StoreFailed(path="views", problem="the answer was lost")
        return stored


async def test_a_lost_answer_does_not_apply_a_batch_twice(tmp_path: Path) -> None:
    history = await ticking()
    store = Forgetful(tmp_path / "live")
    store.plan = iter(["after", "before", "", "after", "after", "before"])
    projector = projector_of(Clock, history, store)
    await projector.prepare()
    failures = 0
    while await store.checkpoint(projector.table) != 20:
        try:
            await projector.catch_up()
        except StoreFailed:
            failures += 1
    assert failures == 5
    assert await rows_in(store, projector.table) == await rebuilt(Clock, history, tmp_path)
    await store.close()


async def test_a_projector_goes_on_where_it_stopped(tmp_path: Path) -> None:
    class Counting(InBatches):
        reads: list[tuple[Position, Position | None]] = []

        def read(self, selection, *, after=0, until=None, limit=None):  # type: ignore[no-untyped-def]
            self.reads.append((after, until))
            return super().read(selection, after=after, until=until, limit=limit)

    history = Counting()
    await append(history, *(Ticked("a", 1) for _ in range(7)))
    for head in (7, 12):
        await _taken_up(tmp_path, history)
        await append(history, *(Ticked("a", 1) for _ in range(12 - head)))
    assert history.reads == [(0, 7), (7, 12)]


class CheckpointFirst(SqliteViews):
    """A planted bug: the checkpoint is moved in a transaction of its own, before the rows."""

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        for part in (
            Advance(advance.expected, advance.reached),
            Advance(advance.reached, advance.reached, advance.rows, advance.parked, advance.live),
        ):
            async with self._writer.transaction() as connection:
                if not await self._apply(connection, table, part):
                    return False
        return True


async def test_control_a_checkpoint_that_is_moved_first_loses_rows_in_a_crash(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        await crash_everywhere(tmp_path, CheckpointFirst)
