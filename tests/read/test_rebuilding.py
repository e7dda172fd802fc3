"""A rebuild fills a spare beside the live table, takes its place in one step, and can be undone (R3, R5)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.virtual import run_virtually
from tests.read.boxes import MEND, Box, Emptied, Packed, Shelf, rebuild_of, spoil
from tests.read.rig import append, project, projector_of, rebuilt, rows_in, table_of
from twofold import App, Event, Query, ReadModel, Rebuilt, View
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.engines.sqlite import SqliteViews
from twofold.errors import CannotRebuild, NotBuilt, StoreBusy, StoreFailed, UnknownMessage
from twofold.history.record import Position
from twofold.read.store import Advance, ViewStore
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


async def packed(*grams: int) -> MemoryHistory:
    history = MemoryHistory()
    await append(history, *(Packed("abc"[n % 3], each) for n, each in enumerate(grams)))
    return history


events = st.lists(
    st.builds(Packed, st.sampled_from("abcd"), st.integers(0, 9)) | st.builds(Emptied, st.sampled_from("abcd")),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events, st.dictionaries(st.sampled_from("abcdz"), st.none() | st.integers(0, 99), max_size=4), events)
def test_whatever_was_wrong_with_the_live_rows_a_rebuild_is_what_the_history_makes_of_them(
    told: list[Event], spoilt: dict[str, int | None], later: list[Event]
) -> None:
    async def run() -> None:
        history, store = MemoryHistory(), MemoryViews()
        await append(history, *told)
        await project(Box, history, store)
        right = await rows_in(store, table_of(Box))
        rows = [Box(key, grams) for key, grams in spoilt.items() if grams is not None]
        await spoil(store, Box, *rows, gone=[key for key, grams in spoilt.items() if grams is None])
        wrong = await rows_in(store, table_of(Box))
        found = await rebuild_of(Box, history, store).run()
        assert await rows_in(store, table_of(Box)) == right
        right_by_key, wrong_by_key = ({row[0]: row for row in rows} for rows in (right, wrong))
        assert found.missing is not None
        assert found.missing == len(right_by_key.keys() - wrong_by_key.keys())
        assert found.surplus == len(wrong_by_key.keys() - right_by_key.keys())
        assert found.differing is not None
        assert found.differing + found.missing == len(set(right) - set(wrong))
        await append(history, *later)
        await project(Box, history, store)
        await rebuild_of(Box, history, store).undo()
        clean = MemoryViews()
        await project(Box, history, clean)
        if not spoilt:
            assert await rows_in(store, table_of(Box)) == await rows_in(clean, table_of(Box))

    run_virtually(run())


@pytest.mark.parametrize("model", [Box, Shelf])
async def test_a_rebuild_is_undone_with_what_has_happened_since_and_undone_again(
    store: SqliteViews, tmp_path: Path, model: type[ReadModel]
) -> None:
    history = await packed(1, 2, 3, 4)
    table = table_of(model)
    projectors = await segments(model, history, store)
    await catch_up(projectors)
    right = await rebuilt_rows(model, history, tmp_path)
    found = await rebuild_of(model, history, store).run()
    assert found == Rebuilt(model.__name__, 4, 3, 0, 0, 0, 0, 0)
    assert await rows_in(store, table) == right
    await append(history, Packed("d", 5))
    await catch_up(projectors)
    for _ in range(2):
        await append(history, Packed("e", 6))
        found = await rebuild_of(model, history, store).undo()
        assert (found.position, found.differing) == (await history.head(), None)
        assert await rows_in(store, table) == await rebuilt_rows(model, history, tmp_path)
    await append(history, Packed("a", 7))
    await catch_up(projectors)
    assert await rows_in(store, table) == await rebuilt_rows(model, history, tmp_path)


async def test_there_is_nothing_to_undo_before_a_rebuild_and_after_one_that_did_not_end(store: SqliteViews) -> None:
    history = await packed(1)
    with pytest.raises(NotBuilt):
        await rebuild_of(Box, history, store).run()
    await project(Box, history, store)
    with pytest.raises(CannotRebuild, match="nothing to go back to"):
        await rebuild_of(Box, history, store).undo()
    await rebuild_of(Box, history, store).run()
    await store.begin_spare(table_of(Box), history.id)
    with pytest.raises(CannotRebuild, match="nothing to go back to"):
        await rebuild_of(Box, history, store).undo()


async def test_a_rebuild_in_which_more_keys_would_be_parked_is_refused_unless_it_is_forced(store: SqliteViews) -> None:
    MEND.done = True
    history = await packed(1, -2, -3)
    await project(Box, history, store)
    MEND.done = False
    rows = await rows_in(store, table_of(Box))
    with pytest.raises(CannotRebuild, match="2 keys would be parked, 0 are now"):
        await rebuild_of(Box, history, store).run()
    assert await rows_in(store, table_of(Box)) == rows
    assert await rows_in(store, table_of(Box).spare) == []
    found = await rebuild_of(Box, history, store).run(force=True)
    assert (found.parked, found.rows) == (2, 1)


async def test_progress_is_told_up_to_the_head(store: SqliteViews) -> None:
    history = await packed(*range(9))
    await project(Box, history, store)
    told: list[tuple[Position, Position]] = []
    await rebuild_of(Box, history, store, told=lambda at, until: told.append((at, until))).run()
    assert told[-1] == (9, 9)
    assert [at for at, _ in told] == sorted(at for at, _ in told)


class Failing(SqliteViews):
    """Fails at the so-manieth call, for good or until it is mended; and tells how many there were."""

    calls = 0
    fails_at = -1
    error: Callable[[], BaseException] = staticmethod(lambda: StoreFailed(path="views", problem="it fails"))

    def _count(self) -> None:
        self.calls += 1
        if 0 <= self.fails_at <= self.calls:
            raise self.error()

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        self._count()
        return await super().apply(table, advance)

    async def exchange(self, table: Table[Any]) -> bool:
        self._count()
        return await super().exchange(table)

    async def find(self, table: Table[Any], page: Any) -> Sequence[Any]:
        self._count()
        return await super().find(table, page)

    async def load(self, table: Table[Any], keys: Any) -> Any:
        self._count()
        return await super().load(table, keys)

    async def begin_spare(self, table: Table[Any], history_id: Any) -> None:
        self._count()
        await super().begin_spare(table, history_id)


async def test_a_rebuild_that_ends_at_any_step_leaves_what_is_live_and_the_next_one_begins_anew(
    tmp_path: Path,
) -> None:
    history = await packed(1, 2, 3, 4)
    for kind in (asyncio.CancelledError, RuntimeError):
        steps = 0
        while True:
            steps += 1
            store = Failing(tmp_path / f"{kind.__name__}-{steps}")
            await project(Box, history, store)
            await spoil(store, Box, Box("a", 999))
            wrong = await rows_in(store, table_of(Box))
            store.calls, store.fails_at, store.error = 0, steps, kind
            try:
                await rebuild_of(Box, history, store).run()
            except kind:
                store.fails_at = -1
                assert await rows_in(store, table_of(Box)) == wrong
            else:
                break
            found = await rebuild_of(Box, history, store).run()
            assert found.differing == 1
            await store.close()
        await store.close()
        assert steps > 5


async def test_a_storage_that_fails_for_a_moment_does_not_end_a_rebuild(tmp_path: Path) -> None:
    class Momentary(Failing):
        def _count(self) -> None:
            self.calls += 1
            if self.calls == self.fails_at:
                raise StoreFailed(path="views", problem="it fails once")

    store = Momentary(tmp_path)
    history = await packed(1, 2, 3, 4)
    await project(Box, history, store)
    store.calls, store.fails_at = 0, 3
    assert (await rebuild_of(Box, history, store).run()).rows == 3
    assert store.calls > 3
    await store.close()


class Held(MemoryViews):
    """Somebody reads one of the tables whenever they are to be exchanged, so many times."""

    times = 0

    async def exchange(self, table: Table[Any]) -> bool:
        if self.times > 0:
            self.times -= 1
            raise StoreBusy("somebody reads it", path="views")
        return await super().exchange(table)


async def test_an_exchange_that_is_held_up_is_tried_again_some_times_before_what_was_built_is_given_up() -> None:
    store, history = Held(), await packed(1, 2, 3, 4)
    await project(Box, history, store)
    await spoil(store, Box, Box("a", 999))
    store.times = 1000
    with pytest.raises(StoreBusy):
        await rebuild_of(Box, history, store).run()
    assert store.times == 995
    store.times = 4
    assert (await rebuild_of(Box, history, store).run()).differing == 1
    assert store.times == 0


async def test_of_two_rebuilds_at_once_one_goes_on_and_the_other_says_why_not(store: SqliteViews) -> None:
    history = await packed(*range(30))
    await project(Box, history, store)
    ended = await asyncio.gather(
        *(rebuild_of(Box, history, store, holder=f"rebuild {n}").run() for n in range(2)), return_exceptions=True
    )
    refused = [each for each in ended if isinstance(each, BaseException)]
    assert len(refused) == 1
    assert isinstance(refused[0], CannotRebuild)
    assert "another rebuild of it was begun, or ended, meanwhile" in str(refused[0])
    assert len([each for each in ended if isinstance(each, Rebuilt)]) == 1


class CountBoxes(Query[int]):
    box: str


app = App("boxes")
app.read_model(Box)


@app.query
async def count_boxes(query: CountBoxes, boxes: View[Box]) -> int:
    found = await boxes.get(query.box)
    return 0 if found is None else len(found.history)


class Asked(msgspec.Struct):
    """How often it was answered, which position was shown last, and whether nobody asks any more."""

    times: int = 0
    last: Position = 0
    over: bool = False


async def ask_while_rebuilding(store: ViewStore, asked: Asked) -> None:
    """Append, ask and rebuild at once; every answer shows all that it promises, and never less than one before."""
    history = MemoryHistory()
    node = app.open("memory:", roles=["read", "project"])
    node._parts.open_history, node._parts.open_views = lambda: history, lambda: store
    going = True

    async def write() -> None:
        # As many as are enough, and then on until all rebuilds have ended.
        while going:
            await append(history, Packed("a", 1))
            await asyncio.sleep(0.002)

    async def ask() -> None:
        while going:
            answer = await node.answer(CountBoxes("a"))
            asked.times += 1
            assert answer.position is not None
            # All events are of one box: what is counted is the position that is shown.
            assert answer.value >= answer.position >= asked.last, "queries went back in time, or saw half"
            asked.last = answer.position
            await asyncio.sleep(0)

    async with node:
        await append(history, *(Packed("a", 1) for _ in range(300)))
        await node.caught_up()
        writing, asking = asyncio.create_task(write()), asyncio.create_task(ask())
        asking.add_done_callback(lambda _: setattr(asked, "over", True))
        try:
            for undo in (False, True, False):
                await node.rebuild(Box, undo=undo)
                await node.caught_up()
            assert (await node.verify("Box")).differences == []
        finally:
            going = False
            await asyncio.gather(writing, asking)
        assert set(node._answering().freshness._reached) == {table_of(Box).versioned_name}
        with pytest.raises(UnknownMessage, match="no read model named 'Bucks'; this application has: Box"):
            await node.rebuild("Bucks")


async def test_queries_are_answered_all_the_time_and_never_from_less_than_before(tmp_path: Path) -> None:
    await ask_while_rebuilding(SqliteViews(tmp_path), Asked())
    await ask_while_rebuilding(MemoryViews(), Asked())


class BehindIsFine(MemoryViews):
    """A planted mistake: exchanges the two, once, without a look at how far each is.

    It does so when the spare is behind what was shown; and the next batch comes no sooner than the next answers.
    """

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self.asked = asked
        self.until: int | None = None

    async def exchange(self, table: Table[Any]) -> bool:
        if self.until is not None:
            return await super().exchange(table)
        kept, spare = self._tables[table.versioned_name], self._tables[table.spare.versioned_name]
        while self.asked.last <= spare.checkpoint and not self.asked.over:
            await asyncio.sleep(0.001)
        # The first answer may have been on its way.
        self.until = self.asked.times + 2
        for here, there in zip(spare.segments, kept.segments, strict=True):
            here.checkpoint, there.checkpoint = there.checkpoint, here.checkpoint
        exchanged = await super().exchange(table)
        for here, there in zip(spare.segments, kept.segments, strict=True):
            here.checkpoint, there.checkpoint = there.checkpoint, here.checkpoint
        return exchanged

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        while self.asked.times < (self.until or 0) and not self.asked.over:
            await asyncio.sleep(0)
        return await super().apply(table, advance)


async def test_control_an_exchange_with_a_spare_that_is_behind_takes_queries_back_in_time() -> None:
    asked = Asked()
    with pytest.raises(AssertionError, match="back in time"):
        await ask_while_rebuilding(BehindIsFine(asked), asked)


async def segments(model: type[ReadModel], history: MemoryHistory, store: ViewStore) -> list[Any]:
    found = []
    for number in range(model.model_segments):
        projector = projector_of(model, history, store, segment=number)
        await projector.prepare()
        found.append(projector)
    return found


async def catch_up(projectors: Sequence[Any]) -> None:
    head = await projectors[0]._history.head()
    while any([(await p._store.standing(p.table, p.segment)).checkpoint < head for p in projectors]):
        for projector in projectors:
            await projector.catch_up()


async def rebuilt_rows(model: type[ReadModel], history: MemoryHistory, folder: Path) -> list[tuple[Any, ...]]:
    if model.model_segments == 1:
        return await rebuilt(model, history, folder)
    store = MemoryViews()
    await catch_up(await segments(model, history, store))
    return await rows_in(store, table_of(model))


def test_nothing_is_left_of_a_rebuild_that_is_interrupted(tmp_path: Path) -> None:
    async def run() -> None:
        history, store = await packed(*range(50)), SqliteViews(tmp_path)
        await project(Box, history, store)
        at_work = asyncio.Event()
        rebuild = asyncio.create_task(rebuild_of(Box, history, store, told=lambda at, until: at_work.set()).run())
        await at_work.wait()
        rebuild.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rebuild
        assert await rows_in(store, table_of(Box).spare) == []
        assert len(await rows_in(store, table_of(Box))) == 3
        await store.close()

    asyncio.run(run())
