"""`verify` tells every row that is not what the history makes of it, and none of a healthy model that moves (R3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.read.boxes import MEND, Box, Emptied, Packed, Shelf, parking_of, spoil, verification_of
from tests.read.rig import append, project, projector_of
from twofold import Difference, ReadModel
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.engines.sqlite import SqliteViews
from twofold.errors import NotBuilt
from twofold.read.comparison import Compared
from twofold.read.projector import Projector
from twofold.read.store import ViewStore
from twofold.read.table import Key, Row, Table

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


@pytest.fixture
async def shadow(tmp_path: Path) -> AsyncIterator[SqliteViews]:
    store = SqliteViews(tmp_path / "shadow")
    yield store
    await store.close()


async def packed() -> MemoryHistory:
    history = MemoryHistory()
    await append(history, *(Packed(box, grams) for grams in range(1, 4) for box in "abcdef"), Emptied("f"))
    return history


async def find_spoilt(store: ViewStore, shadow: ViewStore) -> Compared:
    """Spoil rows in each way, and return what is found."""
    history = await packed()
    await project(Box, history, store)
    await spoil(store, Box, Box("a", 7, [1, 2, 3]), Box("f", 1), Box("g"), gone=["c"])
    found = await verification_of(Box, history, store, shadow).run()
    assert sorted(found.differences, key=lambda each: each.key) == [
        Difference('["a"]', "differing", ["grams"]),
        Difference('["c"]', "missing"),
        Difference('["f"]', "surplus"),
        Difference('["g"]', "surplus"),
    ]
    return found


async def test_every_row_that_differs_is_missing_or_is_too_much_is_told(
    store: SqliteViews, shadow: SqliteViews, caplog: pytest.LogCaptureFixture
) -> None:
    found = await find_spoilt(store, shadow)
    assert (found.model, found.rows, found.position, found.parked) == ("Box", 6, 19, 0)
    assert [found.count(kind) for kind in ("differing", "missing", "surplus")] == [1, 1, 2]
    assert caplog.text == ""


class TrustsTheLive(MemoryViews):
    """A planted mistake: the shadow begins with the rows that are live."""

    live: MemoryViews

    async def prepare(self, table: Table[Any], history_id: Any) -> int:
        reached = await super().prepare(table, history_id)
        self._tables[table.versioned_name] = self.live._tables[table.versioned_name]
        return reached


async def test_control_a_verification_that_trusts_the_live_rows_finds_nothing() -> None:
    store, shadow = MemoryViews(), TrustsTheLive()
    shadow.live = store
    with pytest.raises(AssertionError):
        await find_spoilt(store, shadow)


async def test_what_was_not_built_cannot_be_verified(store: SqliteViews, shadow: SqliteViews) -> None:
    with pytest.raises(NotBuilt, match="nothing to verify"):
        await verification_of(Box, MemoryHistory(), store, shadow).run()


async def test_parked_keys_are_counted_and_left_out_until_they_are_taken_up(
    store: SqliteViews, shadow: SqliteViews, tmp_path: Path
) -> None:
    history = MemoryHistory()
    await append(history, Packed("a", 1), Packed("a", -1), Packed("b", 2), Packed("a", 3))
    await project(Box, history, store)
    found = await verification_of(Box, history, store, shadow).run()
    assert (found.differences, found.parked) == ([], 1)
    MEND.done = True
    other = SqliteViews(tmp_path / "other")
    found = await verification_of(Box, history, store, other).run()
    assert (found.differences, found.parked) == ([], 1)
    await other.close()
    await parking_of(Box, history, store).drop("a")
    last = SqliteViews(tmp_path / "last")
    found = await verification_of(Box, history, store, last).run()
    assert found.differences == [Difference('["a"]', "differing", ["grams", "history"])], "its events were given up"
    await last.close()


class Moving(SqliteViews):
    """Whenever a page of the live rows has been read, more is appended and projected, before anybody looks closer."""

    history: MemoryHistory
    projectors: Sequence[Projector] = ()

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._chance = Random(3)

    async def find(self, table: Table[Any], page: Any) -> Sequence[Row]:
        rows = await super().find(table, page)
        await self._move()
        return rows

    async def rows_at(self, table: Table[Any], keys: Sequence[Key], segment: int = 0) -> tuple[int, Sequence[Row]]:
        await self._move()
        found = await super().rows_at(table, keys, segment)
        await self._move()
        return found

    async def _move(self) -> None:
        boxes = [self._chance.choice("abcdefgh") for _ in range(4)]
        await append(self.history, *(Packed(box, self._chance.randrange(9)) for box in boxes))
        # Segments are not always equally far.
        for projector in self.projectors[: self._chance.randrange(1 + len(self.projectors))]:
            await projector.catch_up()


@pytest.mark.parametrize("model", [Box, Shelf])
async def test_a_healthy_model_that_moves_all_the_time_differs_in_nothing(
    tmp_path: Path, shadow: SqliteViews, model: type[ReadModel]
) -> None:
    store = Moving(tmp_path / "live")
    store.history = await packed()
    projectors = [projector_of(model, store.history, store, segment=number) for number in range(model.model_segments)]
    for projector in projectors:
        await projector.prepare()
        await projector.catch_up()
    store.projectors = projectors
    found = await verification_of(model, store.history, store, shadow).run()
    assert found.differences == []
    assert found.rows >= 5
    await store.close()


async def test_a_row_that_is_wrong_is_found_in_a_model_that_moves(tmp_path: Path, shadow: SqliteViews) -> None:
    store = Moving(tmp_path / "live")
    store.history = await packed()
    await project(Box, store.history, store)
    await spoil(store, Box, Box("b", 999, [1]), Box("z"))
    projector = projector_of(Box, store.history, store)
    await projector.prepare()
    store.projectors = [projector]
    found = await verification_of(Box, store.history, store, shadow).run()
    assert {(each.key, each.kind) for each in found.differences} == {('["b"]', "differing"), ('["z"]', "surplus")}
    await store.close()


async def test_more_rows_than_a_page_are_compared(
    store: SqliteViews, shadow: SqliteViews, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twofold.read.comparison._PAGE", 3)
    history = MemoryHistory()
    await append(history, *(Packed(f"{n:02}", n) for n in range(25)))
    await project(Box, history, store)
    await spoil(store, Box, Box("09", 1), Box("24", 1), gone=["10", "20"])
    found = await verification_of(Box, history, store, shadow).run()
    assert found.rows == 23
    assert {each.key: each.kind for each in found.differences} == {
        '["09"]': "differing", '["24"]': "differing", '["10"]': "missing", '["20"]': "missing",
    }  # fmt: skip
