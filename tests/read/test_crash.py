"""Rows and checkpoint are one transaction: a crash between any two statements changes nothing (F21, R1)."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import apsw
import msgspec
import pytest

from tests.read.rig import append, project_all, projector_of, projectors_of, rebuilt, rows_in, table_of
from twofold import Event, Metadata, ReadModel, Tag
from twofold.engines.memory import MemoryHistory
from twofold.engines.sqlite import SqliteViews
from twofold.engines.sqlite.statements import statement
from twofold.errors import StoreFailed
from twofold.history.boundary import Selection
from twofold.history.record import Position, Recorded
from twofold.read.store import Advance
from twofold.read.table import Table

pytestmark = pytest.mark.anyio
replace = msgspec.structs.replace


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


class Dial(Clock, key="clock", segments=3):
    """The same in segments: clock a is alone in one, b in another, and none is in the third."""


MODELS: tuple[type[ReadModel], ...] = (Clock, Dial)


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


async def crash_everywhere(tmp_path: Path, kind: type[SqliteViews], model: type[ReadModel] = Clock) -> None:
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
    await project_all(projectors_of(model, history, store))
    await store.close()
    wanted = await rebuilt(Clock, history, tmp_path)
    for crashed in copies:
        found = await _taken_up(crashed, history, model)
        assert found == wanted, f"other rows after {crashed.name}: {found}"
    assert len(copies) > 40


@pytest.mark.parametrize("model", MODELS)
async def test_a_crash_before_any_statement_leaves_what_a_rebuild_continues_to(
    model: type[ReadModel], tmp_path: Path
) -> None:
    await crash_everywhere(tmp_path, SqliteViews, model)


async def _taken_up(folder: Path, history: MemoryHistory, model: type[ReadModel] = Clock) -> list[tuple[Any, ...]]:
    store = SqliteViews(folder)
    try:
        await project_all(projectors_of(model, history, store))
        # Which is none as long as the live name shows nothing.
        assert await store.checkpoint(table_of(model)) == await history.head()
        return await rows_in(store, table_of(model))
    finally:
        await store.close()


@pytest.mark.parametrize("model", MODELS)
async def test_a_statement_that_fails_at_any_point_leaves_the_batch_to_be_done_again(
    model: type[ReadModel], tmp_path: Path
) -> None:
    history = await ticking()
    wanted = await rebuilt(Clock, history, tmp_path)
    number, failures = 0, 1
    while failures:
        number += 1
        store = SqliteViews(tmp_path / f"store-{number}")
        left = number

        def fail(_cursor: Any, sql: str, _bindings: Any) -> bool:
            nonlocal left
            left -= 1
            # Not the rollback itself: that is what a crash is for.
            return left != 0 or sql.startswith("ROLLBACK")

        statements_of(store, fail)
        failures = await _until_it_is_done(store, model, history)
        assert await rows_in(store, table_of(model)) == wanted
        await store.close()
    assert number > 40


async def _until_it_is_done(store: SqliteViews, model: type[ReadModel], history: MemoryHistory) -> int:
    projectors, failures = projectors_of(model, history, store), 0
    while await store.checkpoint(table_of(model)) != 20:
        try:
            await project_all(projectors)
        except StoreFailed:
            failures += 1
            assert failures < 5
    return failures


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
            replace(advance, rows=(), parked=(), live=False),
            replace(advance, expected=advance.reached),
        ):
            async with self._writer.transaction() as connection:
                if not await self._apply(connection, table, part):
                    return False
        return True


class OneCheckpoint(SqliteViews):
    """A planted bug: a batch of one segment moves the checkpoints of all."""

    async def _apply(self, connection: apsw.Connection, table: Table[Any], advance: Advance) -> bool:
        stored = await super()._apply(connection, table, advance)
        if stored:
            for segment in range(table.segments):
                values = (advance.reached, False, table.live_name, table.version, segment, advance.expected, 0)
                connection.execute(statement("projection_advance"), values).fetchall()
        return stored


@pytest.mark.parametrize("model", MODELS)
async def test_control_a_checkpoint_that_is_moved_first_loses_rows_in_a_crash(
    model: type[ReadModel], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match="other rows"):
        await crash_everywhere(tmp_path, CheckpointFirst, model)


async def test_control_one_checkpoint_for_all_segments_loses_events(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="other rows"):
        await crash_everywhere(tmp_path, OneCheckpoint, Dial)
